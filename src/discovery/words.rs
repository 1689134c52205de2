//! Names and texts as mDNS has room for them. Pure. What comes from the network is a stranger's: it is
//! shown on terminals and screens.

/// A label has 63 bytes; where two rooms have one name, the later one has " (2)" behind it.
const LABEL: usize = 57;
/// A property has 255 bytes, with its key.
const PROPERTY: usize = 200;
/// Of a machine's name, with what is put before it.
const HOST: usize = 50;
/// What a stranger may have us show, in characters; a venue's name has 80.
const SHOWN: usize = 90;

/// The text cut to `bytes`, but not within a character.
fn cut(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].trim_end()
}

/// A venue's name as the name of its service. A dot is a separator there, and a backslash takes its meaning
/// away: neither survives all implementations. The property has the name as it is.
pub fn label(name: &str) -> String {
    let plain: String = name
        .chars()
        .map(|c| if matches!(c, '.' | '\\') { '-' } else { c })
        .collect();
    match cut(plain.trim(), LABEL) {
        "" => "regie".to_owned(),
        label => label.to_owned(),
    }
}

/// The same as a property.
pub fn property(name: &str) -> &str {
    cut(name, PROPERTY)
}

/// What a machine's addresses are announced under. Not its own name: that is avahi's to announce, and two
/// answers for one name are a conflict. `token`: PCs that were made of one image have one name, and their
/// addresses would be each other's.
pub fn host_record(host: &str, token: u16) -> String {
    let plain: String = host
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    let plain = cut(plain.trim_matches('-'), HOST);
    format!(
        "regie-{}-{token:04x}.local.",
        if plain.is_empty() { "host" } else { plain }
    )
}

/// What may be shown of a stranger's text.
pub fn shown(text: &str) -> String {
    let harmless = text
        .chars()
        .filter(|c| !c.is_control() && !is_invisible(*c));
    let text: String = harmless.take(SHOWN).collect();
    text.trim().to_owned()
}

/// Marks that turn the direction of what stands behind them, or are nothing.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// A service's own name within its full one: `Amphi A (2)` of `Amphi A (2)._regie._tcp.local.`
pub fn label_of<'a>(fullname: &'a str, service: &str) -> &'a str {
    let end = fullname.len().checked_sub(service.len());
    let split = end.filter(|end| fullname.is_char_boundary(*end));
    match split.map(|end| fullname.split_at(end)) {
        Some((label, rest)) if rest.eq_ignore_ascii_case(service) => label.trim_end_matches('.'),
        _ => fullname,
    }
}

/// The number that a conflict has put behind a label: ` (2)`.
pub fn number_of(label: &str) -> Option<&str> {
    let at = label.rfind(" (")?;
    let digits = label[at..].strip_prefix(" (")?.strip_suffix(')')?;
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then_some(&label[at..])
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_and_are_not_torn() {
        assert_eq!(label("Amphi é"), "Amphi é");
        assert_eq!(label("  "), "regie");
        assert_eq!(label("Salle 2.1 \\ nord"), "Salle 2-1 - nord");
        let long = "é".repeat(80);
        assert_eq!(label(&long), "é".repeat(28));
        assert!(label(&long).len() + " (2)".len() <= 63);
        assert_eq!(property(&long), long);
        assert_eq!(property(&"€".repeat(80)), "€".repeat(66));
        assert_eq!(host_record("pc-amphi", 10), "regie-pc-amphi-000a.local.");
        assert_eq!(
            host_record("pc.example.org", 1),
            "regie-pc-example-org-0001.local."
        );
        assert_eq!(host_record("é", 0xffff), "regie-host-ffff.local.");
        assert!(host_record(&"x".repeat(255), 0).len() < 63 + 7);
    }

    #[test]
    fn a_strangers_text_does_nothing_to_a_terminal() {
        assert_eq!(shown("Amphi é"), "Amphi é");
        assert_eq!(shown("\u{1b}[2JAmphi\n\u{202e}A\u{200b} "), "[2JAmphiA");
        assert_eq!(shown(&"x".repeat(300)).len(), SHOWN);
    }

    #[test]
    fn a_label_and_its_number_are_found() {
        let service = "_regie._tcp.local.";
        assert_eq!(
            label_of("Amphi A (2)._regie._tcp.local.", service),
            "Amphi A (2)"
        );
        assert_eq!(label_of("é._REGIE._tcp.local.", service), "é");
        assert_eq!(label_of("é", service), "é");
        assert_eq!(label_of(service, service), "");
        assert_eq!(number_of("Amphi A (2)"), Some(" (2)"));
        for other in ["Amphi A", "Amphi (nord)", "Amphi ()", "Amphi (2) b", ""] {
            assert_eq!(number_of(other), None, "{other}");
        }
    }
}
