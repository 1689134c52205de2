//! `[[output]]`: where the programme is pushed to.

use std::path::Path;

use url::Url;

use super::super::OutputConfig;
use super::super::reader::Section;
use super::{refuse_twins, take};
use crate::model::OutputId;
use crate::model::id::ID_RULE;
use crate::secret::Secret;

const URI: &str = "rtmp://host/app or rtmps://host/app, with or without /name";

/// An output as far as it could be read, for the checks that look at several.
struct Read<'a> {
    section: Section<'a>,
    id: Option<OutputId>,
    uri: Option<Url>,
    key: Option<Secret>,
    config: Option<OutputConfig>,
}

/// All outputs that could be read, in the file's order.
pub fn outputs(root: &Section<'_>, folder: &Path) -> Vec<OutputConfig> {
    let outputs: Vec<Read<'_>> = root
        .sections("output", "output", "sections headed [[output]]")
        .unwrap_or_default()
        .into_iter()
        .map(|section| output(section, folder))
        .collect();
    refuse_twins(
        "output",
        outputs
            .iter()
            .filter_map(|read| Some((&read.section, read.id.as_ref()?.to_string()))),
    );
    refuse_shared_destinations(&outputs);
    outputs.into_iter().filter_map(|read| read.config).collect()
}

fn output<'a>(section: Section<'a>, folder: &Path) -> Read<'a> {
    let id: Option<OutputId> = section.required("id", ID_RULE, take::id);
    let label = section.optional("label", take::LABEL, take::label);
    let uri = section.required("uri", URI, |value| {
        let uri = take::uri(value, &["rtmp", "rtmps"])?;
        if segments(&uri).is_empty() {
            return Err("has no app".to_owned());
        }
        Ok(uri)
    });
    let key = take::key_file(&section, folder);
    let enabled = section.optional("enabled", "true, false", take::flag);
    let tls_verify = section.optional("certificate_check", "true, false", take::flag);
    section.finish(|_| None);

    if let Some(uri) = &uri
        && segments(uri).len() < 2
        && !section.has("key_file")
    {
        section.warn(
            "uri",
            "the uri has an app but no stream name, and there is no key_file; most servers \
             refuse that",
        );
    }
    if uri.as_ref().is_some_and(|uri| uri.query().is_some()) && section.has("key_file") {
        section.complain(
            "uri",
            "has a query, and the key_file's stream name comes after it",
            "a uri without a query; the key itself may have one",
        );
    }
    let config = id.clone().zip(uri.clone()).map(|(id, uri)| OutputConfig {
        label: label.unwrap_or_else(|| id.to_string()),
        id,
        uri,
        key: key.clone(),
        enabled: enabled.unwrap_or(true),
        tls_verify: tls_verify.unwrap_or(true),
    });
    Read {
        section,
        id,
        uri,
        key,
        config,
    }
}

fn segments(uri: &Url) -> Vec<&str> {
    uri.path()
        .split('/')
        .filter(|part| !part.is_empty())
        .collect()
}

/// Two pushes of one stream throw each other off the server, again and again.
fn refuse_shared_destinations(outputs: &[Read<'_>]) {
    let mut seen: Vec<(String, &Section<'_>)> = Vec::new();
    for Read {
        section, uri, key, ..
    } in outputs
    {
        let Some(uri) = uri else { continue };
        let destination = destination(uri, key.as_ref());
        match seen.iter().find(|(earlier, _)| *earlier == destination) {
            Some((_, first)) => section.complain(
                "uri",
                &format!(
                    "is where {} in line {} pushes to",
                    first.place(),
                    first.line_of("uri")
                ),
                "a uri and key_file that no other output has",
            ),
            None => seen.push((destination, section)),
        }
    }
}

/// One text for all spellings of one destination. It has the key in it: never show it.
fn destination(uri: &Url, key: Option<&Secret>) -> String {
    let default_port = if uri.scheme() == "rtmps" { 443 } else { 1935 };
    let mut parts = segments(uri);
    parts.extend(key.map(Secret::reveal));
    format!(
        "{}://{}:{}/{}?{}",
        uri.scheme(),
        uri.host_str().unwrap_or_default().to_lowercase(),
        uri.port().unwrap_or(default_port),
        parts.join("/"),
        uri.query().unwrap_or_default()
    )
}
