//! The way to a region: logins as every AWS tool has them, signed requests, and how many of them in which time.

pub(super) mod api;
pub(super) mod connector;
pub(super) mod login;
pub(super) mod pace;
pub(super) mod settings;
