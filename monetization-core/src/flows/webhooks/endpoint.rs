use crate::ids::TenantId;
use crate::secret::Secret;
use crate::text::Slug;

/// Where messages of an engine come to.
///
/// ```
/// use monetization_core::flows::WebhookEndpoint;
/// use monetization_core::secret::Secret;
/// use monetization_core::text::Slug;
///
/// let engine: Slug = "stripe".parse()?;
/// let secrets = [Secret::new("whsec_new"), Secret::new("whsec_old")];
/// let endpoint = WebhookEndpoint::new(&engine, &secrets);
/// assert!(!format!("{endpoint:?}").contains("whsec_"));
/// # Ok::<(), monetization_core::text::TextError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct WebhookEndpoint<'a> {
    /// Whose messages.
    pub engine: &'a Slug,
    /// What they are signed with: any of these, so that they can be exchanged.
    pub secrets: &'a [Secret],
    /// Who has it: a message that only points at what it says is read with their credentials, and all
    /// messages concern nothing but objects of theirs, and of tenants whose credentials open the same
    /// account. Without, a message that points makes no sense, nor does one about reports that are refused.
    pub tenant: Option<TenantId>,
}

impl<'a> WebhookEndpoint<'a> {
    /// For messages of this engine that are signed with any of these; of no tenant.
    #[must_use]
    pub fn new(engine: &'a Slug, secrets: &'a [Secret]) -> Self {
        Self {
            engine,
            secrets,
            tenant: None,
        }
    }
}
