//! The URL of a store.

use std::fmt;
use std::path::PathBuf;

use anyhow::{Context, bail, ensure};

use super::folder;

/// The URLs that are understood.
pub(crate) const FORMS: &str = concat!(
    "  sqlite:PATH                a file, for the processes of one machine\n",
    "  redis://HOST[:PORT][/DB]   a Redis server, for many machines; rediss:// over TLS; with a password\n",
    "                             redis://[USER]:PASSWORD@HOST; ?namespace=NAME for a part of its own\n",
    "  memory:                    this process alone: nothing is left when it ends",
);

/// Where activities are kept.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Memory,
    Sqlite {
        file: PathBuf,
        /// Whether nobody named it, so that it may be missing.
        is_default: bool,
    },
    Redis {
        /// Without the namespace. It may hold a password.
        url: String,
        namespace: Option<String>,
    },
}

impl Place {
    /// What `--store` or its variable says; without either, the file in the user's data folder.
    pub(crate) fn choose(url: Option<&str>) -> anyhow::Result<Self> {
        let Some(url) = url else {
            let file = folder::default_file().context(
                "there is no home folder to keep activities in; say where with --store sqlite:PATH",
            )?;
            return Ok(Self::Sqlite { file, is_default: true });
        };
        Self::parse(url.trim()).context("--store (or AGENTEXEC_STORE)")
    }

    /// An error never repeats what it was given: there may be a password in it.
    fn parse(url: &str) -> anyhow::Result<Self> {
        let (scheme, rest) = url.split_once(':').unwrap_or_default();
        match scheme {
            "memory" => {
                ensure!(rest.is_empty(), "memory: stands alone");
                Ok(Self::Memory)
            }
            "sqlite" => sqlite(rest),
            "redis" | "rediss" => redis(scheme, rest),
            _ => bail!("this is no store that is known. Write one of these:\n{FORMS}"),
        }
    }
}

/// `sqlite:a.db`, `sqlite:/a.db`, and as others write them, `sqlite://a.db` and `sqlite:///a.db`.
fn sqlite(rest: &str) -> anyhow::Result<Place> {
    let file = rest.strip_prefix("//").unwrap_or(rest);
    ensure!(!file.is_empty(), "the path is missing behind sqlite:");
    ensure!(file != ":memory:", "write memory: for a store that no file is kept of");
    Ok(Place::Sqlite { file: file.into(), is_default: false })
}

fn redis(scheme: &str, rest: &str) -> anyhow::Result<Place> {
    let rest =
        rest.strip_prefix("//").with_context(|| format!("two slashes are missing: {scheme}://HOST"))?;
    let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
    let host = behind_credentials(address).split(['/', ':']).next().unwrap_or_default();
    ensure!(!host.is_empty(), "the host is missing: {scheme}://HOST");
    let namespace = match query.split_once('=') {
        None if query.is_empty() => None,
        Some(("namespace", name)) if !name.is_empty() && !name.contains('&') => Some(name.to_owned()),
        _ => bail!("?namespace=NAME is all that may follow the address"),
    };
    Ok(Place::Redis { url: format!("{scheme}://{address}"), namespace })
}

/// What follows the last `@`: a password that was not escaped may have one too.
fn behind_credentials(address: &str) -> &str {
    address.rsplit('@').next().unwrap_or_default()
}

/// As `--store` takes it, without the user and the password.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory:"),
            Self::Sqlite { file, .. } => write!(f, "sqlite:{}", file.display()),
            Self::Redis { url, namespace } => {
                let (scheme, address) = url.split_once("://").unwrap_or_default();
                write!(f, "{scheme}://{}", behind_credentials(address))?;
                namespace.as_ref().map_or(Ok(()), |name| write!(f, "?namespace={name}"))
            }
        }
    }
}

/// As it is shown.
impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(url: &str) -> String {
        Place::parse(url).unwrap().to_string()
    }

    #[test]
    fn files_are_named_as_people_name_them() {
        for (url, file) in [
            ("sqlite:runs.db", "runs.db"),
            ("sqlite://runs.db", "runs.db"),
            ("sqlite:/var/runs.db", "/var/runs.db"),
            ("sqlite:///var/runs.db", "/var/runs.db"),
            ("sqlite:C:\\runs.db", "C:\\runs.db"),
        ] {
            assert_eq!(Place::parse(url).unwrap(), Place::Sqlite { file: file.into(), is_default: false });
        }
    }

    #[test]
    fn a_namespace_is_taken_off_the_address() {
        let place = Place::parse("rediss://u:p@redis.example:6380/2?namespace=acme").unwrap();
        let url = "rediss://u:p@redis.example:6380/2".to_owned();
        assert_eq!(place, Place::Redis { url, namespace: Some("acme".to_owned()) });
    }

    #[test]
    fn what_is_shown_has_no_password() {
        assert_eq!(shown("redis://:hunter2@localhost"), "redis://localhost");
        assert_eq!(shown("redis://u:hunt@er/2@h:1/0?namespace=n"), "redis://h:1/0?namespace=n");
    }

    #[test]
    fn a_wrong_url_is_refused_without_being_repeated() {
        for (url, said) in [
            ("", "sqlite:PATH"),
            ("runs.db", "redis://HOST"),
            ("postgres://u:hunter2@h/db", "sqlite:PATH"),
            ("hunter2@h:6379", "memory:"),
            ("sqlite:", "the path is missing"),
            ("sqlite::memory:", "write memory:"),
            ("memory:hunter2", "stands alone"),
            ("redis:h", "two slashes"),
            ("redis://:hunter2@", "the host is missing"),
            ("redis://:hunter2@/0", "the host is missing"),
            ("redis://h?password=hunter2", "?namespace=NAME is all"),
            ("redis://h?namespace=", "?namespace=NAME is all"),
        ] {
            let error = format!("{:#}", Place::parse(url).unwrap_err());
            assert!(error.contains(said) && !error.contains("hunter2"), "{url}: {error}");
        }
    }
}
