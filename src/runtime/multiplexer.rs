//! tmux and screen, which may stand between the program and the terminal.

/// What stands between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Multiplexer {
    Tmux,
    Screen,
}

/// The one that the program runs in, as the environment says.
pub(super) fn around() -> Option<Multiplexer> {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    match (set("TMUX"), set("STY")) {
        (true, _) => Some(Multiplexer::Tmux),
        (false, true) => Some(Multiplexer::Screen),
        (false, false) => None,
    }
}

/// Whether one stands between at the far end of a connection: its name for the terminal comes along, its variables do not.
pub(super) fn far() -> bool {
    let term = std::env::var("TERM").unwrap_or_default();
    around().is_none() && (term.starts_with("tmux") || term.starts_with("screen"))
}

/// A sequence that is for the terminal itself, as it passes what is around. tmux passes it on where `allow-passthrough` is
/// on.
pub(super) fn through(sequence: &[u8]) -> Vec<u8> {
    if sequence.is_empty() { Vec::new() } else { wrapped(sequence, around()) }
}

/// tmux wants its escapes doubled, screen takes it as it is.
fn wrapped(sequence: &[u8], around: Option<Multiplexer>) -> Vec<u8> {
    let wrapped = |begin: &[u8], inside: &[u8]| [begin, inside, b"\x1b\\"].concat();
    match around {
        None => sequence.to_vec(),
        Some(Multiplexer::Screen) => wrapped(b"\x1bP", sequence),
        Some(Multiplexer::Tmux) => {
            let doubled: Vec<_> = sequence
                .iter()
                .flat_map(|byte| std::iter::repeat_n(*byte, if *byte == 0x1b { 2 } else { 1 }))
                .collect();
            wrapped(b"\x1bPtmux;", &doubled)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_passes_what_is_around() {
        let offer = b"\x1b]52;c;YQ==\x1b\\";
        assert_eq!(wrapped(offer, None), offer);
        let tmux = b"\x1bPtmux;\x1b\x1b]52;c;YQ==\x1b\x1b\\\x1b\\";
        assert_eq!(wrapped(offer, Some(Multiplexer::Tmux)), tmux);
        let screen = b"\x1bP\x1b]52;c;YQ==\x1b\\\x1b\\";
        assert_eq!(wrapped(offer, Some(Multiplexer::Screen)), screen);
    }
}
