//! Reading. Each of these runs on one connection, inside a transaction, so that what it reads is of one moment.

pub(crate) mod activity;
pub(crate) mod events;
pub(crate) mod leases;
pub(crate) mod list;
pub(crate) mod walk;
