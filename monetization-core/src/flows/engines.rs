use std::collections::BTreeMap;
use std::sync::Arc;

use crate::engine::Engine;
use crate::text::Slug;

/// The engines that are there, by the ids in their descriptors.
///
/// ```
/// use monetization_core::engine;
/// use monetization_core::flows::Engines;
///
/// let engines = Engines::new([engine::none()]);
/// assert!(engines.choose(&"none".parse()?).is_ok());
/// let error = engines.choose(&"stripe".parse()?).unwrap_err();
/// assert_eq!(error.to_string(), "there is no engine \"stripe\": known are none");
/// # Ok::<(), monetization_core::text::TextError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Engines(Arc<BTreeMap<Slug, Engine>>);

impl Engines {
    /// These engines; of two with one id the later one stays.
    #[must_use]
    pub fn new(engines: impl IntoIterator<Item = Engine>) -> Self {
        let by_id = engines
            .into_iter()
            .map(|engine| (engine.descriptor.id.clone(), engine));
        Self(Arc::new(by_id.collect()))
    }

    /// The engine of this id.
    ///
    /// # Errors
    /// [`UnknownEngine`], with the ids that there are.
    pub fn choose(&self, id: &Slug) -> Result<&Engine, UnknownEngine> {
        self.0.get(id).ok_or_else(|| UnknownEngine {
            id: id.clone(),
            known: self.0.keys().cloned().collect(),
        })
    }

    /// Every engine.
    pub fn iter(&self) -> impl Iterator<Item = &Engine> {
        self.0.values()
    }
}

/// There is no engine of this id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no engine {id:?}: known are {}", list(known))]
pub struct UnknownEngine {
    id: Slug,
    known: Vec<Slug>,
}

fn list(known: &[Slug]) -> String {
    known
        .iter()
        .map(Slug::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}
