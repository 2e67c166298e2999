//! The fixed colours of the themes, by number: each can be read on its background and on the selected row.

use super::{Background, Colours, Role};

/// The colours of a theme on a background.
#[derive(Debug)]
pub(super) struct Palette {
    dim: u8,
    rule: u8,
    title: u8,
    old: u8,
    new: u8,
    bad: u8,
    warn: u8,
    good: u8,
    key: u8,
    /// A mark, and what it stands on.
    pub(super) badge: (u8, u8),
    /// The background of the selected row.
    pub(super) selected: u8,
}

const DARK: Palette = Palette {
    dim: 248,
    rule: 246,
    title: 188,
    old: 110,
    new: 79,
    bad: 210,
    warn: 179,
    good: 114,
    key: 176,
    badge: (234, 179),
    selected: 237,
};
const LIGHT: Palette = Palette {
    dim: 240,
    rule: 242,
    title: 235,
    old: 25,
    new: 23,
    bad: 124,
    warn: 94,
    good: 22,
    key: 90,
    badge: (231, 94),
    selected: 255,
};

const HIGH_CONTRAST_DARK: Palette = Palette {
    dim: 252,
    rule: 250,
    title: 231,
    old: 147,
    new: 123,
    bad: 217,
    warn: 226,
    good: 120,
    key: 219,
    badge: (16, 226),
    selected: 18,
};
const HIGH_CONTRAST_LIGHT: Palette = Palette {
    dim: 236,
    rule: 237,
    title: 16,
    old: 18,
    new: 23,
    bad: 88,
    warn: 58,
    good: 22,
    key: 54,
    badge: (231, 52),
    selected: 195,
};

// Nothing is told by red against green, which look alike to one man in twelve, nor by blue against yellow alone.
const COLOUR_BLIND_DARK: Palette = Palette {
    dim: 248,
    rule: 246,
    title: 188,
    old: 248,
    new: 48,
    bad: 208,
    warn: 226,
    good: 75,
    key: 195,
    badge: (16, 226),
    selected: 237,
};
const COLOUR_BLIND_LIGHT: Palette = Palette {
    dim: 240,
    rule: 242,
    title: 235,
    old: 16,
    new: 93,
    bad: 125,
    warn: 58,
    good: 25,
    key: 18,
    badge: (231, 58),
    selected: 255,
};

impl Palette {
    pub(super) fn of(colours: Colours, background: Background) -> &'static Self {
        match (colours, background) {
            (Colours::Standard, Background::Dark) => &DARK,
            (Colours::Standard, Background::Light) => &LIGHT,
            (Colours::HighContrast, Background::Dark) => &HIGH_CONTRAST_DARK,
            (Colours::HighContrast, Background::Light) => &HIGH_CONTRAST_LIGHT,
            (Colours::ColourBlind, Background::Dark) => &COLOUR_BLIND_DARK,
            (Colours::ColourBlind, Background::Light) => &COLOUR_BLIND_LIGHT,
        }
    }

    /// The colour of a role; `None` where it is that of the terminal's own text.
    pub(super) fn colour(&self, role: Role) -> Option<u8> {
        match role {
            Role::Text => None,
            Role::Dim => Some(self.dim),
            Role::Title => Some(self.title),
            Role::Old => Some(self.old),
            Role::New => Some(self.new),
            Role::Bad => Some(self.bad),
            Role::Warn => Some(self.warn),
            Role::Good => Some(self.good),
            Role::Key => Some(self.key),
            Role::Badge => Some(self.badge.0),
            Role::Rule => Some(self.rule),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Rgb = [f64; 3];

    /// The colour of a number of 16 and more, as every terminal has it.
    fn rgb(number: u8) -> Rgb {
        assert!(number >= 16, "{number} differs by terminal");
        let level = |step: u8| if step == 0 { 0.0 } else { f64::from(step) * 40.0 + 55.0 };
        if number >= 232 {
            return [f64::from(number - 232) * 10.0 + 8.0; 3];
        }
        let cube = number - 16;
        [level(cube / 36), level(cube / 6 % 6), level(cube % 6)]
    }

    fn linear(colour: Rgb) -> Rgb {
        colour.map(|value| match value / 255.0 {
            value if value <= 0.04045 => value / 12.92,
            value => ((value + 0.055) / 1.055).powf(2.4),
        })
    }

    fn product(matrix: [Rgb; 3], colour: Rgb) -> Rgb {
        matrix.map(|row| row.iter().zip(colour).map(|(a, b)| a * b).sum())
    }

    /// Contrast as WCAG 2.2 defines it.
    fn contrast(a: Rgb, b: Rgb) -> f64 {
        let luminance = |colour| {
            let [red, green, blue] = linear(colour);
            0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05
        };
        let (a, b) = (luminance(a), luminance(b));
        a.max(b) / a.min(b)
    }

    const ROLES: [Role; 9] = [
        Role::Dim,
        Role::Rule,
        Role::Title,
        Role::Old,
        Role::New,
        Role::Bad,
        Role::Warn,
        Role::Good,
        Role::Key,
    ];

    /// Usual backgrounds and texts: black and white, and what popular themes have.
    fn usual(background: Background) -> ([Rgb; 3], [Rgb; 2]) {
        match background {
            Background::Dark => {
                ([[0.0; 3], [30.0; 3], [0.0, 43.0, 54.0]], [[255.0; 3], [204.0, 204.0, 204.0]])
            }
            Background::Light => {
                ([[255.0; 3], [250.0; 3], [253.0, 246.0, 227.0]], [[0.0; 3], [56.0, 58.0, 66.0]])
            }
        }
    }

    #[test]
    fn every_text_can_be_read_on_its_ground_and_on_the_selected_row() {
        for (colours, least) in
            [(Colours::Standard, 4.5), (Colours::ColourBlind, 4.5), (Colours::HighContrast, 6.0)]
        {
            for background in [Background::Dark, Background::Light] {
                let palette = Palette::of(colours, background);
                let selected = rgb(palette.selected);
                let (backgrounds, texts) = usual(background);
                for role in ROLES {
                    let colour = rgb(palette.colour(role).unwrap());
                    // Rules are never in a selected row.
                    let selected = (role != Role::Rule).then_some(selected);
                    for back in backgrounds.into_iter().chain(selected) {
                        let contrast = contrast(colour, back);
                        assert!(
                            contrast >= least,
                            "{colours:?} {background:?} {role:?} on {back:?}: {contrast:.2}"
                        );
                    }
                }
                for text in texts {
                    assert!(contrast(text, selected) >= least, "{colours:?} {background:?} text");
                }
                let (front, back) = palette.badge;
                assert!(
                    contrast(rgb(front), rgb(back)) >= least,
                    "{colours:?} {background:?} badge"
                );
            }
        }
    }

    /// How colours look without one kind of cone: Machado, Oliveira and Fernandes, "A Physiologically-based Model for
    /// Simulation of Color Vision Deficiency", 2009, at full severity.
    const VISIONS: [[Rgb; 3]; 4] = [
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        [
            [0.152_286, 1.052_583, -0.204_868],
            [0.114_503, 0.786_281, 0.099_216],
            [-0.003_882, -0.048_116, 1.051_998],
        ],
        [
            [0.367_322, 0.860_646, -0.227_968],
            [0.280_085, 0.672_501, 0.047_413],
            [-0.011_820, 0.042_940, 0.968_881],
        ],
        [
            [1.255_528, -0.076_749, -0.178_779],
            [-0.078_411, 0.930_809, 0.147_602],
            [0.004_733, 0.691_367, 0.303_900],
        ],
    ];

    /// The distance of two colours as they are seen: CIE 1976, where 2.3 is just noticed.
    fn distance(one: Rgb, other: Rgb, vision: [Rgb; 3]) -> f64 {
        const XYZ: [Rgb; 3] =
            [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]];
        let lab = |colour| {
            let seen = product(vision, linear(colour)).map(|part| part.clamp(0.0, 1.0));
            let [x, y, z] = product(XYZ, seen);
            let root = |part: f64| {
                if part > 0.008_856 { part.cbrt() } else { 7.787 * part + 16.0 / 116.0 }
            };
            let (x, y, z) = (root(x / 0.9505), root(y), root(z / 1.089));
            [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
        };
        lab(one).into_iter().zip(lab(other)).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
    }

    #[test]
    fn what_means_different_things_looks_different_without_a_kind_of_cone() {
        let told_apart = [Role::Old, Role::New, Role::Bad, Role::Warn, Role::Good];
        for background in [Background::Dark, Background::Light] {
            let palette = Palette::of(Colours::ColourBlind, background);
            for (at, one) in told_apart.iter().enumerate() {
                for other in &told_apart[at + 1..] {
                    let [a, b] = [one, other].map(|role| rgb(palette.colour(*role).unwrap()));
                    for vision in VISIONS {
                        let distance = distance(a, b, vision);
                        assert!(
                            distance >= 25.0,
                            "{background:?} {one:?} {other:?}: {distance:.1}"
                        );
                    }
                }
            }
        }
    }
}
