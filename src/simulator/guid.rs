//! GUIDs that look random and yet say which app they belong to.
//!
//! A world of ten thousand apps with a hundred revisions each would need a million index entries. Instead every
//! GUID carries, scrambled, the kind of thing, the app it belongs to and its number there.

/// What a GUID names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(crate) enum Kind {
    Org = 1,
    Space,
    App,
    Process,
    Revision,
    Droplet,
    Package,
    Build,
    Deployment,
    Event,
    Sidecar,
    Quota,
    User,
    Route,
    Other,
}

const KINDS: [Kind; 15] = [
    Kind::Org,
    Kind::Space,
    Kind::App,
    Kind::Process,
    Kind::Revision,
    Kind::Droplet,
    Kind::Package,
    Kind::Build,
    Kind::Deployment,
    Kind::Event,
    Kind::Sidecar,
    Kind::Quota,
    Kind::User,
    Kind::Route,
    Kind::Other,
];

/// Spreads a number over 64 bits (splitmix64).
pub(crate) fn scramble(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The GUID of the `number`-th thing of a kind that belongs to `owner` (an app's index, or any other index).
pub(crate) fn make(seed: u64, kind: Kind, owner: usize, number: usize) -> String {
    let (kind, owner, number) = (kind as u16, owner as u32, number as u32 & 0xff_ffff);
    let mixed = scramble(
        seed ^ scramble(u64::from(kind) << 56 | u64::from(owner) << 24 | u64::from(number)),
    );
    let head = (mixed >> 32) as u32;
    let key = scramble(u64::from(head));
    let second = kind ^ key as u16;
    let third = (number as u16 & 0xfff) ^ (key >> 16) as u16 & 0xfff;
    let fourth = ((number >> 12) as u16 & 0xfff) ^ (key >> 28) as u16 & 0xfff;
    let tail = owner ^ scramble(key) as u32;
    let check = scramble(u64::from(tail) ^ key ^ u64::from(number)) as u16;
    format!("{head:08x}-{second:04x}-4{third:03x}-8{fourth:03x}-{tail:08x}{check:04x}")
}

/// Reads a GUID made by [`make`]: its kind, owner and number, or `None` for any other text.
pub(crate) fn read(guid: &str) -> Option<(Kind, usize, usize)> {
    let mut parts = guid.split('-');
    let mut hex = |length: usize| {
        let part = parts.next()?;
        (part.len() == length).then(|| u64::from_str_radix(part, 16).ok())?
    };
    let (head, second, third, fourth, last) = (hex(8)?, hex(4)?, hex(4)?, hex(4)?, hex(12)?);
    let key = scramble(head);
    let kind = second as u16 ^ key as u16;
    let low = (third as u16 & 0xfff) ^ (key >> 16) as u16 & 0xfff;
    let high = (fourth as u16 & 0xfff) ^ (key >> 28) as u16 & 0xfff;
    let number = u32::from(low) | u32::from(high) << 12;
    let tail = (last >> 16) as u32;
    let check = scramble(u64::from(tail) ^ key ^ u64::from(number)) as u16;
    if check != last as u16 {
        return None;
    }
    let kind = *KINDS.get(usize::from(kind).checked_sub(1)?)?;
    Some((kind, (tail ^ scramble(key) as u32) as usize, number as usize))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn reads_what_it_made(seed: u64, kind in 0_usize..15, owner in 0_usize..4_000_000, number in 0_usize..9_999_999) {
            let guid = make(seed, KINDS[kind], owner, number);
            prop_assert_eq!(guid.len(), 36);
            prop_assert_eq!(read(&guid), Some((KINDS[kind], owner, number)));
        }

        #[test]
        fn never_panics_on_other_text(text in ".{0,40}") {
            let _ = read(&text);
        }
    }
}
