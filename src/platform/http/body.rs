//! Reading a whole body: with a limit for its size, and one for silence rather than for the whole, so that what is long
//! and comes slowly still comes.

use std::time::Duration;

use futures_util::{Stream, StreamExt};
use tokio::time::timeout;

/// Answers larger than this are refused, in bytes.
const LARGEST: usize = 128 * 1_048_576;

/// Why a body did not come whole.
#[derive(Debug, thiserror::Error)]
pub enum Incomplete<E> {
    /// Nothing more came in time.
    #[error("nothing more came in time")]
    Silent,
    /// It is larger than any answer should be.
    #[error("more than {} MB", LARGEST / 1_048_576)]
    TooLarge,
    /// The connection broke.
    #[error(transparent)]
    Broken(E),
}

/// Reads a body; each of its parts may take so long to come.
pub async fn collect<B, E>(
    body: impl Stream<Item = Result<B, E>>,
    silence: Duration,
) -> Result<Vec<u8>, Incomplete<E>>
where
    B: AsRef<[u8]>,
{
    let mut body = std::pin::pin!(body);
    let mut whole = Vec::new();
    loop {
        let part = timeout(silence, body.next()).await.map_err(|_| Incomplete::Silent)?;
        let Some(part) = part else { return Ok(whole) };
        let part = part.map_err(Incomplete::Broken)?;
        if whole.len() + part.as_ref().len() > LARGEST {
            return Err(Incomplete::TooLarge);
        }
        whole.extend_from_slice(part.as_ref());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;

    #[tokio::test(start_paused = true)]
    async fn what_is_long_may_take_longer_than_any_of_its_parts() {
        let slow = |parts: u64, pause: u64| {
            stream::iter(0..parts).then(move |_| async move {
                tokio::time::sleep(Duration::from_secs(pause)).await;
                Ok::<_, std::io::Error>([1; 8])
            })
        };
        let silence = Duration::from_secs(15);
        assert_eq!(collect(slow(20, 10), silence).await.unwrap().len(), 160);
        assert!(matches!(collect(slow(2, 20), silence).await, Err(Incomplete::Silent)));
        let huge = stream::iter((0..200).map(|_| Ok::<_, std::io::Error>(vec![0; 1_048_576])));
        assert!(matches!(collect(huge, silence).await, Err(Incomplete::TooLarge)));
    }
}
