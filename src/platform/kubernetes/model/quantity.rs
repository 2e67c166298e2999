//! Quantities, such as `250m`, `64Mi` or `1e3` (`k8s.io/apimachinery/pkg/api/resource`).

use serde_json::Value;

/// What a quantity amounts to, in cores or bytes; `None` where it is none.
pub(in crate::platform::kubernetes) fn amount(quantity: &Value) -> Option<f64> {
    let text = match quantity {
        Value::String(text) => text.trim(),
        number => return number.as_f64(),
    };
    let unit = text.find(|letter: char| letter.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit);
    let factor = match unit {
        "" => 1.0,
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => 1024.0,
        "Mi" => 1024.0_f64.powi(2),
        "Gi" => 1024.0_f64.powi(3),
        "Ti" => 1024.0_f64.powi(4),
        "Pi" => 1024.0_f64.powi(5),
        "Ei" => 1024.0_f64.powi(6),
        exponent => {
            let exponent = exponent.strip_prefix(['e', 'E'])?;
            10.0_f64.powi(exponent.parse().ok()?)
        }
    };
    number.parse::<f64>().ok().map(|number| number * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_as_the_server_writes_them() {
        let read = |text: &str| amount(&Value::from(text));
        assert_eq!(read("250m"), Some(0.25));
        assert_eq!(read("1234567n").map(|one| (one * 1e9).round()), Some(1_234_567.0));
        assert_eq!(read("64Mi"), Some(67_108_864.0));
        assert_eq!(read("1.5Gi"), Some(1_610_612_736.0));
        assert_eq!(read("2"), Some(2.0));
        assert_eq!(read("1e3"), Some(1_000.0));
        assert_eq!(read("1E"), Some(1e18));
        assert_eq!(amount(&Value::from(3)), Some(3.0));
        assert_eq!((read(""), read("m"), read("1Xi"), read("-")), (None, None, None, None));
    }
}
