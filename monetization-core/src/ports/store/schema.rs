//! Which migrations a database has, held against those that a program knows: for stores that keep one.
//!
//! While a program is replaced by the next one, both work on one database, and the newer has migrated it
//! already. Whether the older may go on is for the migration to say, and it says so to programs that do not
//! know it: the database keeps of each migration what a program has to know
//! ([`needs`](Migration::needs)).
//!
//! | the database has | a program |
//! |---|---|
//! | what the program knows | works with it |
//! | fewer | adds what is missing |
//! | more, none of which needs a newer program | works with it as before |
//! | more, one of which does | is refused, and told of that one |
//! | another one under a number that it knows | is refused |
//!
//! ```
//! use monetization_core::store::schema::{Applied, Migration, Schema, Schemata};
//!
//! const KNOWN: [Migration; 1] = [Migration {
//!     version: 1,
//!     name: "facts",
//!     needs: 1,
//!     sql: "CREATE TABLE fact (id uuid PRIMARY KEY)",
//! }];
//!
//! let later = |needs| Applied {
//!     version: 2,
//!     name: "an index".to_owned(),
//!     checksum: vec![7; 32],
//!     needs,
//! };
//! let with = |later: Applied| Schemata::new(&KNOWN, vec![KNOWN[0].applied(), later]);
//! assert_eq!(with(later(1)).compare(), Schema::Known);
//! assert_eq!(with(later(2)).compare(), Schema::Newer { found: 2, known: 1 });
//! ```

use sha2::{Digest, Sha256};

use super::{StoreError, StoreErrorKind};

/// A step from one shape of a database to the next. One that was released is never edited, only
/// followed by another.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// 1, 2, 3 and so on.
    pub version: i64,
    /// What it is called.
    pub name: &'static str,
    /// The migration that a program has to know at least to work with a database that has this one. Its own
    /// number, or that of an earlier one where it only adds what programs that know no more can
    /// do without: what they do not write has a default, and what they read means what it meant.
    pub needs: i64,
    /// Any number of statements.
    pub sql: &'static str,
}

/// A migration that a database has behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// As [`Migration::version`].
    pub version: i64,
    /// As [`Migration::name`].
    pub name: String,
    /// [`Migration::checksum`] as it was.
    pub checksum: Vec<u8>,
    /// As [`Migration::needs`].
    pub needs: i64,
}

/// What a database has, and what a program knows.
#[derive(Debug)]
pub struct Schemata {
    known: &'static [Migration],
    applied: Vec<Applied>,
}

/// How they compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Schema {
    /// The database has all that the program knows, and nothing that it may not work beside.
    Known,
    /// It has none at all: no store has ever opened it.
    None,
    /// It has fewer: the next store that opens it adds what is missing.
    Older {
        /// The last it has.
        found: i64,
    },
    /// It has more: a newer program made it, and this one does not know what they mean.
    Newer {
        /// The first that needs a newer program.
        found: i64,
        /// The last that is known.
        known: i64,
    },
    /// One of them is not the one that the program has under that number.
    Changed {
        /// The number.
        version: i64,
        /// What the program calls it.
        name: &'static str,
    },
}

impl Migration {
    /// SHA-256 of its statements.
    #[must_use]
    pub fn checksum(&self) -> Vec<u8> {
        Sha256::digest(self.sql).to_vec()
    }

    /// What a database keeps of it.
    #[must_use]
    pub fn applied(&self) -> Applied {
        Applied {
            version: self.version,
            name: self.name.to_owned(),
            checksum: self.checksum(),
            needs: self.needs,
        }
    }
}

impl Schemata {
    /// Of a program that knows these migrations, and a database that has those, each in their order.
    #[must_use]
    pub fn new(known: &'static [Migration], applied: Vec<Applied>) -> Self {
        Self { known, applied }
    }

    /// Compares them.
    #[must_use]
    pub fn compare(&self) -> Schema {
        for (known, applied) in self.known.iter().zip(&self.applied) {
            if applied.version != known.version || applied.checksum != known.checksum() {
                return Schema::Changed {
                    version: known.version,
                    name: known.name,
                };
            }
        }
        if let Some(newer) = self.newer() {
            return Schema::Newer {
                found: newer.version,
                known: self.last_known(),
            };
        }
        match self.applied.last() {
            None => Schema::None,
            Some(last) if self.applied.len() < self.known.len() => Schema::Older {
                found: last.version,
            },
            Some(_) => Schema::Known,
        }
    }

    /// The migration that is to be applied next; `None` where there is none, or where the database is not what
    /// this program may change.
    #[must_use]
    pub fn next(&self) -> Option<&'static Migration> {
        match self.compare() {
            Schema::None | Schema::Older { .. } => self.known.get(self.applied.len()),
            Schema::Known | Schema::Newer { .. } | Schema::Changed { .. } => None,
        }
    }

    /// That the program may work with the database as it is.
    ///
    /// # Errors
    /// [`StoreErrorKind::Broken`] where it may not; the source says why.
    pub fn require(&self, doing: &'static str) -> Result<(), StoreError> {
        let error = match self.compare() {
            Schema::Known => return Ok(()),
            Schema::None => SchemaError::Older { found: 0 },
            Schema::Older { found } => SchemaError::Older { found },
            Schema::Newer { found, known } => SchemaError::Newer {
                found,
                name: self.newer().map_or_else(String::new, |it| it.name.clone()),
                known,
            },
            Schema::Changed { version, name } => SchemaError::Changed { version, name },
        };
        Err(StoreError::new(StoreErrorKind::Broken, doing).because(error))
    }

    /// The first migration beyond those that are known which needs a newer program.
    fn newer(&self) -> Option<&Applied> {
        let known = self.last_known();
        let mut beyond = self.applied.iter().skip(self.known.len());
        beyond.find(|applied| applied.needs > known)
    }

    fn last_known(&self) -> i64 {
        self.known.last().map_or(0, |last| last.version)
    }
}

/// Why a database cannot be used.
#[derive(Debug, thiserror::Error)]
enum SchemaError {
    /// What the newer program needs may be lost if this one writes.
    #[error(
        "the database has migration {found} ({name}), this program knows {known}: run the program \
         that wrote it, or a newer one"
    )]
    Newer {
        found: i64,
        name: String,
        known: i64,
    },
    /// What is looked for may not be there yet.
    #[error(
        "the database has migration {found}, and this program has later ones: start the program \
         that serves, which migrates it"
    )]
    Older { found: i64 },
    /// The tables may not be what this program takes them for.
    #[error(
        "migration {version} ({name}) is not the one that was applied to this database: \
         migrations are never edited, run the program it was made by"
    )]
    Changed { version: i64, name: &'static str },
}
