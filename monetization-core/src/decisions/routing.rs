//! Which operation of a product a call is.
//!
//! Paths are matched as they will be forwarded, byte for byte: nothing is decoded or tidied first.
//!
//! ```
//! use monetization_core::product::{Method, Resource};
//! use monetization_core::routing::{Route, Routes};
//!
//! let read = Resource {
//!     identifier: "read-pet".parse()?,
//!     method: Method::Get,
//!     path: "/pets/{id}".parse()?,
//!     name: "Read a pet".parse()?,
//!     description: None,
//! };
//! let routes = Routes::new(std::slice::from_ref(&read))?;
//! assert_eq!(routes.of("GET", "/pets/7"), Route::Resource(&read.identifier));
//! assert_eq!(routes.of("DELETE", "/pets/7"), Route::Nothing);
//! assert_eq!(routes.of("GET", "/pets/7/photos"), Route::Nothing);
//! assert_eq!(Routes::new(&[])?.of("GET", "/anything"), Route::Anything);
//!
//! let error = Routes::new(&[read.clone(), read]).unwrap_err();
//! assert_eq!(error.field(), "resources[1].identifier");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;

use matchit::Router;

use crate::field::FieldError;
use crate::product::{Method, Resource};
use crate::text::Slug;

/// The operations of one product, ready to be matched.
#[derive(Clone)]
pub struct Routes {
    router: Router<Vec<(Method, Slug)>>,
    declared: bool,
}

/// What a path and method lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Route<'a> {
    /// This operation.
    Resource(&'a Slug),
    /// The product declares no operations: whatever is below its endpoint.
    Anything,
    /// The product declares operations, and this is none of them.
    Nothing,
}

impl Routes {
    /// The routes of these operations.
    ///
    /// # Errors
    /// A [`FieldError`] naming the operation whose path is no pattern or leads where another
    /// already leads, or whose identifier is used twice.
    pub fn new(resources: &[Resource]) -> Result<Self, FieldError> {
        let mut router: Router<Vec<(Method, Slug)>> = Router::new();
        let mut by_path = std::collections::BTreeMap::<&str, Vec<(Method, Slug)>>::new();
        for (index, resource) in resources.iter().enumerate() {
            let field = |name: &str| format!("resources[{index}].{name}");
            let mut earlier = resources.iter().take(index);
            if earlier.any(|other| other.identifier == resource.identifier) {
                let problem = format!(
                    "{:?} is used twice: allowed is once in a product",
                    resource.identifier
                );
                return Err(FieldError::new(field("identifier"), problem));
            }
            if !resource.path.as_str().starts_with('/') {
                return Err(FieldError::new(field("path"), "it does not begin with /"));
            }
            let of_path = by_path.entry(resource.path.as_str()).or_default();
            if of_path.iter().any(|(method, _)| *method == resource.method) {
                let problem = format!(
                    "{} {} is declared twice",
                    resource.method.as_str(),
                    resource.path
                );
                return Err(FieldError::new(field("path"), problem));
            }
            of_path.push((resource.method, resource.identifier.clone()));
        }
        for (path, operations) in by_path {
            let inserted = router.insert(path, operations);
            inserted
                .map_err(|error| FieldError::new("resources.path", format!("{path}: {error}")))?;
        }
        Ok(Self {
            router,
            declared: !resources.is_empty(),
        })
    }

    /// What a call leads to; `path` is below the product's and begins with `/`.
    ///
    /// The method is compared as it stands on the wire, in upper case; `HEAD` is an operation of its
    /// own and not a kind of `GET`.
    #[must_use]
    pub fn of(&self, method: &str, path: &str) -> Route<'_> {
        if !self.declared {
            return Route::Anything;
        }
        let found = self.router.at(path).ok().and_then(|found| {
            found
                .value
                .iter()
                .find(|(known, _)| known.as_str() == method)
        });
        found.map_or(Route::Nothing, |(_, identifier)| {
            Route::Resource(identifier)
        })
    }
}

impl fmt::Debug for Routes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Routes")
            .field("declared", &self.declared)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(identifier: &str, method: Method, path: &str) -> Resource {
        Resource {
            identifier: identifier.parse().unwrap(),
            method,
            path: path.parse().unwrap(),
            name: "n".parse().unwrap(),
            description: None,
        }
    }

    #[test]
    fn a_call_leads_to_the_operation_of_its_method_and_path() {
        let routes = Routes::new(&[
            resource("read", Method::Get, "/pets/{id}"),
            resource("change", Method::Put, "/pets/{id}"),
            resource("files", Method::Get, "/files/{*rest}"),
        ])
        .unwrap();
        let named = |identifier: &str| identifier.parse::<Slug>().unwrap();
        assert_eq!(routes.of("GET", "/pets/7"), Route::Resource(&named("read")));
        assert_eq!(
            routes.of("PUT", "/pets/7"),
            Route::Resource(&named("change"))
        );
        assert_eq!(routes.of("DELETE", "/pets/7"), Route::Nothing);
        assert_eq!(routes.of("GET", "/pets/7/x"), Route::Nothing);
        assert_eq!(
            routes.of("GET", "/files/a/b"),
            Route::Resource(&named("files"))
        );
    }

    #[test]
    fn a_product_without_operations_is_everything_below_its_endpoint() {
        assert_eq!(
            Routes::new(&[]).unwrap().of("GET", "/anything"),
            Route::Anything
        );
    }

    #[test]
    fn two_operations_of_one_name_or_place_are_refused_by_field() {
        let same_name = [
            resource("a", Method::Get, "/a"),
            resource("a", Method::Get, "/b"),
        ];
        assert_eq!(
            Routes::new(&same_name).unwrap_err().field(),
            "resources[1].identifier"
        );
        let same_place = [
            resource("a", Method::Get, "/a"),
            resource("b", Method::Get, "/a"),
        ];
        assert_eq!(
            Routes::new(&same_place).unwrap_err().field(),
            "resources[1].path"
        );
        let ambiguous = [
            resource("a", Method::Get, "/{x}"),
            resource("b", Method::Get, "/{y}"),
        ];
        assert!(Routes::new(&ambiguous).is_err());
    }
}
