//! What a caller wants, by its stream id: `ingest/laptop`, or in the words of SRT's access control
//! guidelines `#!::r=ingest/laptop,m=publish`.

use super::handshake::Refusal;

/// What opens the second form.
const STANDARD: &str = "#!::";

/// The id of the source that is to be published to, as it was said.
pub fn source_of(stream_id: &str) -> Result<String, Refusal> {
    // Some senders take it from a URL as it is there. No word of ours has a percent sign.
    let stream_id = unescaped(stream_id).ok_or(Refusal::BadRequest)?;
    let stream_id = stream_id.trim();
    let resource = match stream_id.strip_prefix(STANDARD) {
        Some(pairs) => resource(pairs)?,
        None if stream_id.starts_with("#!") => return Err(Refusal::BadRequest),
        None => stream_id,
    };
    let path = resource.trim_start_matches('/');
    if path.is_empty() {
        return Err(Refusal::BadRequest);
    }
    let id = path.strip_prefix("ingest/").ok_or(Refusal::NotFound)?;
    Ok(id.to_owned())
}

/// The text with what `%41` and its like stand for; a percent sign without a number is one.
fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let number = (after.get(..2))
            .filter(|digits| *first == b'%' && digits.iter().all(u8::is_ascii_hexdigit))
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(number.unwrap_or(*first));
        rest = if number.is_some() { &after[2..] } else { after };
    }
    String::from_utf8(bytes).ok()
}

/// The value of `r`, where the mode is none that regie does not know. (Guidelines take a caller
/// that does not say its mode for one that plays; there is nothing to play here, so it publishes.)
fn resource(pairs: &str) -> Result<&str, Refusal> {
    let mut resource = None;
    for pair in pairs.split(',').filter(|pair| !pair.trim().is_empty()) {
        let (key, value) = pair.split_once('=').ok_or(Refusal::BadRequest)?;
        match (key.trim(), value.trim()) {
            ("m", "publish") => {}
            ("m", _) => return Err(Refusal::BadMode),
            ("r", _) if resource.is_some() => return Err(Refusal::BadRequest),
            ("r", value) => resource = Some(value),
            // Who it is, where it believes to be, and what others have thought of.
            _ => {}
        }
    }
    resource.ok_or(Refusal::BadRequest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_name_a_source() {
        for wanted in [
            "ingest/laptop",
            "/ingest/laptop",
            " ingest/laptop ",
            "#!::r=ingest/laptop,m=publish",
            "#!::m=publish,r=/ingest/laptop",
            "#!::u=ada, r=ingest/laptop , m=publish,x-new=a b%20c,",
            "#!::r=ingest/laptop",
            "ingest%2Flaptop",
            "%23!%3A%3ar=ingest/l%61ptop,m=publish",
        ] {
            assert_eq!(source_of(wanted).as_deref(), Ok("laptop"), "{wanted}");
        }
        // It is looked up as it is: no source has such a name.
        for (wanted, name) in [
            ("a b c", "a b c"),
            ("50%", "50%"),
            ("%4", "%4"),
            ("%zz", "%zz"),
        ] {
            let wanted = format!("ingest/{wanted}");
            assert_eq!(source_of(&wanted).as_deref(), Ok(name));
        }
    }

    #[test]
    fn all_else_is_refused_by_its_reason() {
        for (wanted, why) in [
            ("", Refusal::BadRequest),
            ("/", Refusal::BadRequest),
            ("laptop", Refusal::NotFound),
            ("source/laptop", Refusal::NotFound),
            ("#!::", Refusal::BadRequest),
            ("#!::m=publish", Refusal::BadRequest),
            ("#!::r=ingest/laptop,m=request", Refusal::BadMode),
            ("#!::r=ingest/laptop,m=bidirectional", Refusal::BadMode),
            ("#!::r=ingest/a,r=ingest/b", Refusal::BadRequest),
            ("#!::r", Refusal::BadRequest),
            ("#!:{r=ingest/laptop}", Refusal::BadRequest),
            ("ingest/%ff", Refusal::BadRequest),
        ] {
            assert_eq!(source_of(wanted), Err(why), "{wanted}");
        }
    }
}
