//! Reads `pipelines/*.launch`: fixed launch text with named elements. Values never go into the
//! text; they are set as properties on what was parsed.
//!
//! The fragments are compiled in. A file of the same name in the folder that `REGIE_PIPELINES`
//! names (else `/etc/regie/pipelines`) takes the place of the compiled one.

use std::path::PathBuf;

use gst::prelude::*;

use super::pipeline::{Pipe, Reporter};
use super::timebase::Timebase;

macro_rules! fragments {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../pipelines/", $name, ".launch")))),*]
    };
}

/// Every fragment that is compiled in.
pub const FRAGMENTS: &[(&str, &str)] = fragments![
    "capture-interlaced",
    "capture-jpeg",
    "decode-audio",
    "decode-video",
    "decode-video-turned",
    "encode-audio",
    "encode-nvenc",
    "encode-qsv",
    "encode-v4l2",
    "encode-va",
    "encode-vaapi",
    "encode-x264",
    "ingest-srt",
    "lettering",
    "output-rtmp",
    "relay-aac",
    "relay-alaw",
    "relay-h264",
    "relay-h265",
    "relay-mpa",
    "relay-mulaw",
    "relay-opus",
    "relay-vp8",
    "relay-vp9",
    "screen-sound",
    "slate",
    "slate-music",
    "source-file",
    "source-image",
    "source-pull-http",
    "source-pull-rtmp",
    "source-pull-rtsp",
    "source-pull-srt",
    "source-test",
];

/// Why a fragment could not be made into elements.
#[derive(Debug, thiserror::Error)]
pub enum FragmentError {
    /// No such file, neither compiled in nor in the folder.
    #[error("no pipeline fragment {0}.launch")]
    Missing(String),
    /// GStreamer refuses the text, most often because an element is not installed.
    #[error("pipelines/{name}.launch: {cause}{}", advice(.cause))]
    Refused {
        /// The fragment.
        name: String,
        /// GStreamer's reason.
        #[source]
        cause: glib::Error,
    },
    /// The fragment lacks an element that its contract names.
    #[error("pipelines/{name}.launch has no element named \"{element}\" of the expected kind")]
    NoElement {
        /// The fragment.
        name: String,
        /// The name that was looked for.
        element: String,
    },
    /// The property does not take the value.
    #[error("pipelines/{name}.launch: {element}.{property} does not take {value:?}")]
    BadValue {
        /// The fragment.
        name: String,
        /// The element.
        element: String,
        /// The property.
        property: String,
        /// The value.
        value: String,
    },
    /// The element lacks a property that regie sets.
    #[error("pipelines/{name}.launch: element {element} has no property \"{property}\"")]
    NoProperty {
        /// The fragment.
        name: String,
        /// The element.
        element: String,
        /// The property.
        property: String,
    },
}

/// Which Debian package brings a missing element.
fn advice(cause: &glib::Error) -> String {
    let text = cause.to_string();
    let Some(element) = text
        .split('"')
        .nth(1)
        .filter(|_| text.contains("no element"))
    else {
        return String::new();
    };
    let package = match element {
        "x264enc" => "gstreamer1.0-plugins-ugly",
        "textoverlay" => "gstreamer1.0-x",
        e if e.starts_with("av") => "gstreamer1.0-libav",
        "rtmp2sink" | "rtmp2src" | "srtsrc" | "tsdemux" | "h264parse" | "aacparse" | "parsebin" => {
            "gstreamer1.0-plugins-bad and gstreamer1.0-plugins-base"
        }
        _ => "gstreamer1.0-plugins-good",
    };
    format!("; install the Debian package {package}")
}

/// The text of a fragment without its comment lines.
pub fn text(name: &str) -> Result<String, FragmentError> {
    let folder = std::env::var_os("REGIE_PIPELINES")
        .map_or_else(|| PathBuf::from("/etc/regie/pipelines"), PathBuf::from);
    let own = std::fs::read_to_string(folder.join(format!("{name}.launch"))).ok();
    let compiled = || {
        let found = FRAGMENTS.iter().find(|(known, _)| *known == name);
        found.map(|(_, text)| (*text).to_owned())
    };
    let text = own
        .or_else(compiled)
        .ok_or_else(|| FragmentError::Missing(name.to_owned()))?;
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .collect();
    Ok(lines.join(" "))
}

/// A parsed fragment, before it runs.
pub struct Fragment {
    name: String,
    bin: gst::Bin,
}

impl Fragment {
    /// As a pipeline of its own.
    pub fn pipeline(name: &str) -> Result<Self, FragmentError> {
        let parsed = gst::parse::launch(&text(name)?).map_err(|cause| FragmentError::Refused {
            name: name.to_owned(),
            cause,
        })?;
        let bin = match parsed.downcast::<gst::Pipeline>() {
            Ok(pipeline) => pipeline.upcast(),
            // A single element is returned bare.
            Err(element) => {
                let pipeline = gst::Pipeline::new();
                // A fresh pipeline refuses nothing.
                let _ = pipeline.add(&element);
                pipeline.upcast()
            }
        };
        Ok(Self {
            name: name.to_owned(),
            bin,
        })
    }

    /// As a bin, to be put into a pipeline that somebody else owns.
    pub fn bin(name: &str) -> Result<Self, FragmentError> {
        let bin = gst::parse::bin_from_description(&text(name)?, false).map_err(|cause| {
            FragmentError::Refused {
                name: name.to_owned(),
                cause,
            }
        })?;
        Ok(Self {
            name: name.to_owned(),
            bin,
        })
    }

    /// The element of that name, as the kind the contract promises.
    pub fn element<T: IsA<gst::Element>>(&self, element: &str) -> Result<T, FragmentError> {
        self.bin
            .by_name(element)
            .and_then(|found| found.downcast().ok())
            .ok_or_else(|| FragmentError::NoElement {
                name: self.name.clone(),
                element: element.to_owned(),
            })
    }

    /// Sets a property; the value is converted as `gst-launch` would, but never parsed as launch
    /// text.
    pub fn set(&self, element: &str, property: &str, value: &str) -> Result<(), FragmentError> {
        let found: gst::Element = self.element(element)?;
        let Some(spec) = found.find_property(property) else {
            return Err(FragmentError::NoProperty {
                name: self.name.clone(),
                element: element.to_owned(),
                property: property.to_owned(),
            });
        };
        // Text is taken as it is: quotes in a key are the key's.
        if spec.value_type() == glib::Type::STRING {
            found.set_property(property, value);
            return Ok(());
        }
        match glib::Value::deserialize_with_pspec(value, &spec) {
            Ok(value) => {
                found.set_property_from_value(property, &value);
                Ok(())
            }
            Err(_) => Err(FragmentError::BadValue {
                name: self.name.clone(),
                element: element.to_owned(),
                property: property.to_owned(),
                value: value.to_owned(),
            }),
        }
    }

    /// The elements of a fragment that is one straight line, from source to sink, taken out of
    /// their bin and no longer linked: the RTSP server wants its payloaders in its own bin.
    pub fn into_line(self) -> Vec<gst::Element> {
        let mut line: Vec<gst::Element> = self.bin.iterate_sorted().into_iter().flatten().collect();
        line.reverse();
        for element in &line {
            // It is in there.
            let _ = self.bin.remove(element);
        }
        line
    }

    /// The parsed elements.
    pub fn into_bin(self) -> gst::Bin {
        self.bin
    }

    /// The pipeline, on the common clock, ready to play; its messages go to `reporter`.
    pub fn into_pipe(self, timebase: &Timebase, reporter: Reporter) -> Pipe {
        let pipeline = self.bin.downcast().unwrap_or_else(|bin: gst::Bin| {
            let pipeline = gst::Pipeline::new();
            let _ = pipeline.add(&bin);
            pipeline
        });
        timebase.adopt(&pipeline);
        Pipe::new(pipeline, reporter)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_file_is_compiled_in_and_states_its_contract() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/pipelines");
        let mut shipped: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter_map(|name| name.strip_suffix(".launch").map(str::to_owned))
            .collect();
        shipped.sort();
        let compiled: Vec<&str> = FRAGMENTS.iter().map(|(name, _)| *name).collect();
        assert_eq!(shipped, compiled);
        for (name, text) in FRAGMENTS {
            assert!(
                text.starts_with("# "),
                "{name} does not open with its contract"
            );
        }
    }

    #[test]
    fn every_fragment_whose_elements_are_installed_parses() {
        gst::init().unwrap();
        // Hardware encoders come with their drivers' packages.
        let hardware = [
            "encode-nvenc",
            "encode-qsv",
            "encode-v4l2",
            "encode-va",
            "encode-vaapi",
        ];
        for (name, _) in FRAGMENTS {
            match Fragment::pipeline(name) {
                Ok(_) => {}
                Err(error) => assert!(hardware.contains(name), "{error}"),
            }
        }
    }

    #[test]
    fn a_value_is_never_launch_text() {
        gst::init().unwrap();
        let nasty = r#"rtmp://host/a "b" ! fakesink name=x"#;
        let fragment = Fragment::pipeline("source-file").unwrap();
        fragment.set("source", "location", nasty).unwrap();
        let source: gst::Element = fragment.element("source").unwrap();
        assert_eq!(source.property::<String>("location"), nasty);
        assert!(fragment.element::<gst::Element>("x").is_err());
    }

    #[test]
    fn a_missing_property_is_named() {
        gst::init().unwrap();
        let fragment = Fragment::pipeline("source-file").unwrap();
        assert_eq!(
            fragment
                .set("source", "colour", "red")
                .unwrap_err()
                .to_string(),
            "pipelines/source-file.launch: element source has no property \"colour\""
        );
    }
}
