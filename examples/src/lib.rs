//! The code in the README and in the book compiles: each page with any is a doctest of this crate. The programs are
//! beside this folder.

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

#[cfg(doctest)]
#[doc = include_str!("../../docs/src/concepts/activity.md")]
struct Activity;

#[cfg(doctest)]
#[doc = include_str!("../../docs/src/concepts/lifecycle.md")]
struct Lifecycle;

#[cfg(doctest)]
#[doc = include_str!("../../docs/src/getting-started.md")]
struct GettingStarted;

#[cfg(doctest)]
#[doc = include_str!("../../docs/src/guides/agents.md")]
struct Agents;

#[cfg(doctest)]
#[doc = include_str!("../../docs/src/guides/custom-runners.md")]
struct CustomRunners;

#[cfg(doctest)]
#[doc = include_str!("../../docs/src/guides/errors.md")]
struct Errors;

#[cfg(doctest)]
#[doc = include_str!("../../docs/src/guides/providers.md")]
struct Providers;

#[cfg(doctest)]
#[doc = include_str!("../../docs/src/guides/redis.md")]
struct Redis;

#[cfg(doctest)]
#[doc = include_str!("../../docs/src/guides/stores.md")]
struct Stores;

#[cfg(doctest)]
#[doc = include_str!("../../docs/src/guides/testing.md")]
struct Testing;

#[cfg(doctest)]
#[doc = include_str!("../../docs/src/guides/tools.md")]
struct Tools;

#[cfg(doctest)]
#[doc = include_str!("../../docs/src/introduction.md")]
struct Introduction;

#[cfg(doctest)]
#[doc = include_str!("../../docs/src/reference/events.md")]
struct Events;
