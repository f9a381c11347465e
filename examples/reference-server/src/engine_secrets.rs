//! What the engine is signed in to with, and what its messages are signed with: both can be exchanged
//! while the server runs.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use monetization_core::flows::Credentials;
use monetization_core::ids::TenantId;
#[cfg(feature = "stripe")]
use monetization_core::reference::Mode;
use monetization_core::secret::Secret;
use monetization_core::text::Slug;
use serde::Deserialize;

/// The secrets that are in force.
#[derive(Debug)]
pub(crate) struct EngineSecrets {
    file: Option<PathBuf>,
    engine: Slug,
    tenant: TenantId,
    credentials: Credentials,
    demands: Demands,
    webhook_secrets: RwLock<BTreeMap<Slug, Vec<Secret>>>,
}

/// What they belong to.
#[derive(Debug)]
pub(crate) struct SecretsOf {
    pub(crate) engine: Slug,
    pub(crate) tenant: TenantId,
    /// Those that the flows sign in with.
    pub(crate) credentials: Credentials,
    pub(crate) demands: Demands,
}

/// What a file has to say beyond making sense.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum Demands {
    /// Nothing.
    #[default]
    None,
    /// Its credentials are a key of Stripe's, of this mode.
    #[cfg(feature = "stripe")]
    Stripe(Mode),
}

/// What a file of secrets says. Whatever it leaves out stays as it is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SecretsFile {
    pub(crate) credentials: Option<Secret>,
    pub(crate) webhook_secrets: Option<Vec<Secret>>,
}

/// Why secrets stay as they are. Nothing of what the file says is told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretsError {
    /// There is no file to read them from.
    #[error("there is no file of secrets to read: start with --engine-secrets-file")]
    NoFile,
    /// It cannot be read.
    #[error("the secrets in {} cannot be read", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is not what it should be.
    #[error(
        "the secrets in {} make no sense at line {line}, column {column}: expected is \
         {{\"credentials\": \"...\", \"webhook_secrets\": [\"...\"]}}, and no empty text",
        path.display()
    )]
    Senseless {
        /// Which file.
        path: PathBuf,
        /// Where.
        line: usize,
        /// Where in that line.
        column: usize,
    },
    /// It makes sense, and is not for the engine.
    #[error("the secrets in {} are not for the engine: {problem}", path.display())]
    Unfit {
        /// Which file.
        path: PathBuf,
        /// What is wrong, and what to do.
        problem: String,
    },
}

impl EngineSecrets {
    /// These webhook secrets, and then what the file says, where there is one.
    ///
    /// # Errors
    /// [`SecretsError`] where the file cannot be read.
    pub(crate) fn new(
        file: Option<PathBuf>,
        of: SecretsOf,
        webhook_secrets: BTreeMap<Slug, Vec<Secret>>,
    ) -> Result<Self, SecretsError> {
        let secrets = Self {
            file,
            engine: of.engine,
            tenant: of.tenant,
            credentials: of.credentials,
            demands: of.demands,
            webhook_secrets: RwLock::new(webhook_secrets),
        };
        match secrets.reload() {
            Ok(()) | Err(SecretsError::NoFile) => Ok(secrets),
            Err(error) => Err(error),
        }
    }

    /// Reads the file again: what it says holds for the next call of the engine, and for its next
    /// message.
    ///
    /// # Errors
    /// [`SecretsError`]; then everything stays as it was.
    pub(crate) fn reload(&self) -> Result<(), SecretsError> {
        let path = self.file.as_deref().ok_or(SecretsError::NoFile)?;
        let read = SecretsFile::read(path, self.demands)?;
        if let Some(credentials) = read.credentials {
            self.credentials.exchange(self.tenant, Some(credentials));
        }
        if let Some(webhook_secrets) = read.webhook_secrets {
            let all = self.webhook_secrets.write();
            let mut all = all.unwrap_or_else(PoisonError::into_inner);
            all.insert(self.engine.clone(), webhook_secrets);
        }
        Ok(())
    }

    /// What messages of this engine are signed with; `None` for an engine that sends none here.
    pub(crate) fn of_messages(&self, engine: &Slug) -> Option<Vec<Secret>> {
        let all = self.webhook_secrets.read();
        let all = all.unwrap_or_else(PoisonError::into_inner);
        all.get(engine).cloned()
    }
}

impl SecretsFile {
    /// Reads a file.
    ///
    /// # Errors
    /// [`SecretsError`] where it cannot be read, a secret in it is empty, or it is not what is demanded.
    pub(crate) fn read(path: &Path, demands: Demands) -> Result<Self, SecretsError> {
        let bytes = fs::read(path).map_err(|source| SecretsError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        // What the parser says may quote a secret.
        let senseless = |line, column| SecretsError::Senseless {
            path: path.to_owned(),
            line,
            column,
        };
        let read: Self = serde_json::from_slice(&bytes)
            .map_err(|error| senseless(error.line(), error.column()))?;
        let of_messages = read.webhook_secrets.as_deref();
        let mut all = read.credentials.iter().chain(of_messages.unwrap_or(&[]));
        if of_messages.is_some_and(<[_]>::is_empty) || all.any(|it| it.reveal().trim().is_empty()) {
            return Err(senseless(1, 0));
        }
        let unfit = |problem| SecretsError::Unfit {
            path: path.to_owned(),
            problem,
        };
        let checked = demands.check(read.credentials.as_ref());
        checked.map_err(unfit)?;
        Ok(read)
    }
}

impl Demands {
    /// What of these is not met, and what to do.
    #[cfg_attr(
        not(feature = "stripe"),
        expect(clippy::unnecessary_wraps, reason = "nothing is demanded")
    )]
    fn check(self, key: Option<&Secret>) -> Result<(), String> {
        match (self, key) {
            #[cfg(feature = "stripe")]
            (Self::Stripe(mode), Some(key)) => crate::engines::stripe::check_key(key, mode),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::chain;

    #[test]
    fn a_file_that_makes_no_sense_is_refused_without_telling_what_it_says_j8() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets.json");
        let canary = "sk_canary";
        for text in [
            format!("{{\"credential\": \"{canary}\"}}"),
            format!("{{\"webhook_secrets\": \"{canary}\"}}"),
            format!("{{\"credentials\": \"{canary}\", \"webhook_secrets\": []}}"),
            format!("{{\"credentials\": \"\", \"webhook_secrets\": [\"{canary}\"]}}"),
            format!("{{\"credentials\": \"{canary}"),
            canary.to_owned(),
        ] {
            fs::write(&path, &text).unwrap();
            let refused = SecretsFile::read(&path, Demands::None)
                .map(|_| ())
                .unwrap_err();
            let said = format!("{} {refused:?}", chain(&refused));
            assert!(!said.contains(canary), "{said}");
            assert!(said.contains("secrets.json"), "{said}");
        }
    }
}
