//! The way to a Kubernetes API server: the kubeconfig, one client, one request, and how the API words errors. Every
//! adapter that reads objects of a cluster uses it.

mod connect;
mod dialect;
mod request;
mod transport;

pub(in crate::platform) use connect::Connection;
pub use connect::Options;
