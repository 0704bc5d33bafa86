//! Which activities a caller may see.

use crate::{Error, Metadata};

/// Which activities a caller may see: all of them, or those whose metadata contain certain pairs.
///
/// Every read and every command from outside takes one. Seeing everything has to be said aloud; a scope by
/// metadata without a pair is an error and never "everything", so a tenant id that went missing cannot open the
/// records of all tenants.
///
/// ```
/// use agentexec_activity_core::{Metadata, Scope};
///
/// let acme = Scope::metadata(Metadata::new().with("org", "acme").unwrap()).unwrap();
/// assert!(Scope::metadata(Metadata::new()).is_err());
/// assert!(!acme.admits(&Metadata::new().with("org", "other").unwrap()));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Scope(Option<Metadata>);

impl Scope {
    /// Every activity.
    #[must_use]
    pub const fn all() -> Self {
        Self(None)
    }

    /// The activities whose metadata contain all these pairs; an error when there is no pair.
    pub fn metadata(pairs: Metadata) -> Result<Self, Error> {
        if pairs.is_empty() {
            return Err(Error::invalid(
                "scope",
                "a metadata scope needs at least one pair; say Scope::all() to see every activity",
            ));
        }
        Ok(Self(Some(pairs)))
    }

    /// Whether an activity with this metadata is in the scope.
    #[must_use]
    pub fn admits(&self, metadata: &Metadata) -> bool {
        self.0.as_ref().is_none_or(|pairs| metadata.contains_all(pairs))
    }

    /// The pairs that are asked for; none means every activity.
    #[must_use]
    pub fn pairs(&self) -> Option<&Metadata> {
        self.0.as_ref()
    }
}
