//! What GStreamer, the system and peers say, in words for an operator. Pure.

use crate::model::Phrase;
use crate::secret::redact;

/// As part of a sentence: regie's own words for what is well known, else theirs, keys masked and
/// without the full stop. What was said in full belongs into the fault's detail.
pub fn foreign(text: &str) -> Phrase {
    let lower = text.to_lowercase();
    let known = known();
    let found =
        (known.into_iter()).find(|(marks, _)| marks.iter().any(|mark| lower.contains(mark)));
    match found {
        Some((_, phrase)) => phrase,
        None => Phrase::literal(redact(text.trim().trim_end_matches('.'))),
    }
}

/// Marks in lower case, and what they mean: the particular before the general.
fn known() -> [(&'static [&'static str], Phrase); 16] {
    [
        // What an RTMP server does not say: it closes at the word that it does not like.
        (
            &["stream already exists", "publish.badname"],
            Phrase::new("the server still holds this stream's name for another session"),
        ),
        (
            &["'publish' cmd failed"],
            Phrase::new("the server does not accept the stream's name or key"),
        ),
        (
            &["'connect' cmd failed"],
            Phrase::new("the server does not accept the application's name"),
        ),
        (
            &["this machine's certificate"],
            Phrase::new("this machine's certificate, or its key, cannot be used"),
        ),
        (
            &["connection refused"],
            Phrase::new("the connection was refused"),
        ),
        (
            &["name or service not known", "error resolving", "resolve"],
            Phrase::new("its name is unknown to the network"),
        ),
        (
            &["network is unreachable", "no route to host"],
            Phrase::new("the network does not lead there"),
        ),
        (&["timed out", "timeout"], Phrase::new("no answer")),
        (
            &["address already in use"],
            Phrase::new("another program has taken its port"),
        ),
        (
            &["permission denied"],
            Phrase::new("the system does not allow it"),
        ),
        (
            &["certificate"],
            Phrase::new("its certificate is not accepted"),
        ),
        (
            &["not authorized", "unauthorized", "denied", "forbidden"],
            Phrase::new("the user or the key is not accepted"),
        ),
        (
            &["connection reset", "broken pipe", "connection closed"],
            Phrase::new("the connection broke off"),
        ),
        (
            &["resource not found", "no such file"],
            Phrase::new("not found"),
        ),
        (
            &["could not open resource", "could not connect"],
            Phrase::new("it cannot be opened"),
        ),
        (
            &["internal data stream error"],
            Phrase::new("the stream broke off"),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_well_known_is_said_in_our_words() {
        for (said, ours) in [
            (
                "Connection refused: Could not connect to 10.0.0.7: Connection refused",
                "the connection was refused",
            ),
            (
                "Failed to connect: Error resolving “h.invalid”: Name or service not known",
                "its name is unknown to the network",
            ),
            ("Resource not found.", "not found"),
            (
                "Error binding to address 0.0.0.0:8554: Address already in use",
                "another program has taken its port",
            ),
            (
                "Could not open resource for reading and writing.",
                "it cannot be opened",
            ),
            ("Permission denied", "the system does not allow it"),
            (
                "Unacceptable TLS certificate",
                "its certificate is not accepted",
            ),
            (
                "this machine's certificate /etc/regie/cert.pem is no good: Permission denied",
                "this machine's certificate, or its key, cannot be used",
            ),
        ] {
            assert_eq!(foreign(said).to_string(), ours);
        }
    }

    #[test]
    fn what_is_not_known_is_said_as_it_came_without_keys() {
        let _key = crate::secret::Secret::new("w0rding-k3y");
        assert_eq!(
            foreign(" {42} app w0rding-k3y has no room. ").to_string(),
            "{42} app ••• has no room"
        );
    }
}
