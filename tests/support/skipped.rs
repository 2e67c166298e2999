//! Tests that need something which is not everywhere say so where they are skipped, are counted, and fail where it is
//! asked for: `REVDECK_REQUIRE=all`, or names with commas between them.

/// Notes that a test is skipped for lack of something.
///
/// # Panics
/// Where `REVDECK_REQUIRE` asks for it.
pub fn skipped(name: &str, why: &str) {
    let required = std::env::var("REVDECK_REQUIRE").unwrap_or_default();
    let asked = required.split(',').any(|word| word.trim() == name || word.trim() == "all");
    assert!(!asked, "REVDECK_REQUIRE asks for {name}: {why}");
    eprintln!("SKIPPED {name}: {why}");
    if let Some(file) = std::env::var_os("REVDECK_SKIPPED") {
        use std::io::Write;
        let file = std::fs::OpenOptions::new().create(true).append(true).open(file);
        let _ = file.and_then(|mut file| writeln!(file, "SKIPPED {name}: {why}"));
    }
}
