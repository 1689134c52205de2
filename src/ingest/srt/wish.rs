//! What a caller wants, by its stream id: `ingest/laptop`, or in the words of SRT's access control
//! guidelines `#!::r=ingest/laptop,m=publish`.

use super::handshake::Refusal;

/// What opens the second form.
const STANDARD: &str = "#!::";

/// The id of the source that is to be published to, as it was said.
pub fn source_of(stream_id: &str) -> Result<&str, Refusal> {
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
    path.strip_prefix("ingest/").ok_or(Refusal::NotFound)
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
        ] {
            assert_eq!(source_of(wanted), Ok("laptop"), "{wanted}");
        }
        // It is looked up as it is: no source has such a name.
        assert_eq!(source_of("ingest/a%20b c"), Ok("a%20b c"));
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
            ("ingest%2Flaptop", Refusal::NotFound),
        ] {
            assert_eq!(source_of(wanted), Err(why), "{wanted}");
        }
    }
}
