//! What is shared between tasks of one platform.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks what is written by single assignments and insertions, so that a panic elsewhere leaves nothing half-done in it.
pub(in crate::platform) fn lock<T>(inside: &Mutex<T>) -> MutexGuard<'_, T> {
    inside.lock().unwrap_or_else(PoisonError::into_inner)
}
