//! Values of the file as they are shown in a complaint: on one line, short, and without secrets.
//!
//! A complaint lands on terminals, in journals and in mails to colleagues. So masking is generous:
//! a file that was refused may have its secrets anywhere, above all where they do not belong.

use toml::de::DeValue;

/// What stands where a secret stood.
const MASK: &str = "•••";

/// Longest value that is shown in full, in characters.
const LONGEST: usize = 80;

/// What sort of value this is, with its article.
pub fn kind_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// The value of `key`. Tables are not shown: their lines are in the file.
pub fn value(key: &str, value: &DeValue<'_>) -> Option<String> {
    if matches!(value, DeValue::Table(_)) || is_list_of_tables(value) {
        return None;
    }
    if is_secret_name(key) {
        return Some(format!("\"{MASK}\""));
    }
    let shown = scalar_or_list(value);
    if shown.chars().count() <= LONGEST {
        return Some(shown);
    }
    let start: String = shown.chars().take(LONGEST).collect();
    Some(format!("{start}…"))
}

fn is_list_of_tables(value: &DeValue<'_>) -> bool {
    value
        .as_array()
        .is_some_and(|list| list.iter().any(|item| item.get_ref().is_table()))
}

fn scalar_or_list(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("{:?}", mask(text)),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(date) => date.to_string(),
        DeValue::Array(list) => {
            let items: Vec<String> = list
                .iter()
                .map(|item| scalar_or_list(item.get_ref()))
                .collect();
            format!("[{}]", items.join(", "))
        }
        DeValue::Table(_) => "{…}".to_owned(),
    }
}

/// Whether a key or a query parameter of this name is likely to hold a secret.
pub fn is_secret_name(name: &str) -> bool {
    let name = name.to_lowercase();
    let suspicious = [
        "key",
        "pass",
        "pwd",
        "secret",
        "token",
        "auth",
        "credential",
        "streamid",
        "signature",
    ];
    suspicious.iter().any(|word| name.contains(word))
        && !name.contains("file")
        && !name.starts_with("keyframe")
}

/// The text with the password and the query values of a URI masked. The text need not be a URI
/// that parses, so this looks at characters only, and rather masks too much.
pub fn mask(text: &str) -> String {
    let masked = mask_password(text);
    let Some((address, query)) = masked.split_once('?') else {
        return masked;
    };
    let parameters: Vec<String> = query.split(['&', ';']).map(mask_parameter).collect();
    format!("{address}?{}", parameters.join("&"))
}

/// Masks from the first ':' of the authority up to the last '@', for a password may hold both.
fn mask_password(text: &str) -> String {
    let start = text.find("//").map_or(0, |slashes| slashes + 2);
    let Some(end) = text.rfind('@').filter(|end| *end >= start) else {
        return text.to_owned();
    };
    match text[start..end].find(':') {
        Some(colon) => format!("{}:{MASK}{}", &text[..start + colon], &text[end..]),
        None => text.to_owned(),
    }
}

fn mask_parameter(parameter: &str) -> String {
    match parameter.split_once('=') {
        Some((name, _)) => format!("{name}={MASK}"),
        None => parameter.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_and_query_values_are_masked() {
        for (text, masked) in [
            ("rtsp://10.0.0.7:554/cam", "rtsp://10.0.0.7:554/cam"),
            (
                "rtsp://me:pa55@10.0.0.7:554/cam",
                "rtsp://me:•••@10.0.0.7:554/cam",
            ),
            ("rtsp://me@10.0.0.7/cam", "rtsp://me@10.0.0.7/cam"),
            ("rtsp//me:pa55@host/cam", "rtsp//me:•••@host/cam"),
            ("me:pa55@host", "me:•••@host"),
            ("rtsp://me:pa/5@5:x@host/cam", "rtsp://me:•••@host/cam"),
            ("rtsp://me:pa?5=5@host/cam", "rtsp://me:•••@host/cam"),
            (
                "srt://h:9?passphrase=abc&mode=caller",
                "srt://h:9?passphrase=•••&mode=•••",
            ),
            ("srt://h:9?a=b;c=d=e&f", "srt://h:9?a=•••&c=•••&f"),
            ("http://me:pw@h/?t=x@y", "http://me:•••@y"),
            ("http://h/?t=a:b@c", "http://h/?t=•••"),
            ("rtsp://me:p?5=5@h/?a=b", "rtsp://me:•••@h/?a=•••"),
            ("30000/1001", "30000/1001"),
            ("", ""),
        ] {
            assert_eq!(mask(text), masked);
        }
    }

    #[test]
    fn names_of_secrets_are_known() {
        for name in [
            "key",
            "stream_key",
            "StreamKey",
            "password",
            "passphrase",
            "api-token",
        ] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in [
            "key_file",
            "keyfile",
            "keyframe_interval",
            "keyframes",
            "uri",
            "label",
        ] {
            assert!(!is_secret_name(name), "{name}");
        }
    }
}
