//! The programme's encoders: chosen by trying them, each a pipeline of its own that is built anew
//! when it breaks. What they make goes to a [`Feed`].

use std::sync::Arc;
use std::time::Duration;

use gst::prelude::*;
use parking_lot::Mutex;

use crate::venue::{EncoderChoice, FrameSize, ProgrammeConfig};

use super::feed::Feed;
use super::fragment::{Fragment, FragmentError};
use super::pipeline::{Pipe, Reporter};
use super::timebase::Timebase;

/// Longest trial of one encoder.
const TRIAL: Duration = Duration::from_secs(3);
/// Pictures of a trial.
const TRIAL_FRAMES: u32 = 5;

/// The AAC encoder begins with one frame of silence, 1024 samples at 48 kHz, and stamps the sound
/// behind it as if it were not there: uncorrected, sound is late by as much.
const AAC_PRIMING: gst::ClockTime = gst::ClockTime::from_nseconds(1024 * 1_000_000_000 / 48_000);

/// Best first; x264 is the floor.
const CANDIDATES: [Codec; 6] = [
    Codec::Nvenc,
    Codec::Va,
    Codec::Vaapi,
    Codec::Qsv,
    Codec::V4l2,
    Codec::X264,
];

/// An H.264 encoder that regie knows how to set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// NVIDIA.
    Nvenc,
    /// VA-API, GStreamer's new plug-in.
    Va,
    /// VA-API, the old plug-in.
    Vaapi,
    /// Intel Quick Sync.
    Qsv,
    /// A memory-to-memory device.
    V4l2,
    /// Software.
    X264,
}

/// How hard an encoder looks for what it can save. Only x264 lets it be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Effort {
    /// As the venue file says.
    #[default]
    Usual,
    /// What a machine that is too slow can still do.
    Less,
    /// As little as there is.
    Least,
}

/// The encoder that will be used, and why.
#[derive(Debug, Clone)]
pub struct Choice {
    /// Which.
    pub codec: Codec,
    /// For people.
    pub reason: String,
    /// The venue file asked for another one.
    pub second_best: bool,
}

impl Codec {
    /// The word in the venue file, which is also what the status shows.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nvenc => "nvenc",
            Self::Va | Self::Vaapi => "vaapi",
            Self::Qsv => "qsv",
            Self::V4l2 => "v4l2",
            Self::X264 => "x264",
        }
    }

    fn fragment(self) -> &'static str {
        match self {
            Self::Nvenc => "encode-nvenc",
            Self::Va => "encode-va",
            Self::Vaapi => "encode-vaapi",
            Self::Qsv => "encode-qsv",
            Self::V4l2 => "encode-v4l2",
            Self::X264 => "encode-x264",
        }
    }

    fn is_meant_by(self, choice: EncoderChoice) -> bool {
        match choice {
            EncoderChoice::Auto => true,
            EncoderChoice::Nvenc => self == Self::Nvenc,
            EncoderChoice::Vaapi => matches!(self, Self::Va | Self::Vaapi),
            EncoderChoice::Qsv => self == Self::Qsv,
            EncoderChoice::V4l2 => self == Self::V4l2,
            EncoderChoice::X264 => self == Self::X264,
        }
    }

    /// Sets how hard it looks: as the venue file says, or less.
    fn exert(self, fragment: &Fragment, effort: Effort, usual: &str) -> Result<(), FragmentError> {
        let preset = match effort {
            Effort::Usual => usual,
            Effort::Less if usual != "ultrafast" => "superfast",
            Effort::Less | Effort::Least => "ultrafast",
        };
        match self {
            Self::X264 => fragment.set("encoder", "speed-preset", preset),
            _ => Ok(()),
        }
    }

    /// Sets bit rate and distance of keyframes, each encoder in its own words.
    fn tune(self, fragment: &Fragment, config: &ProgrammeConfig) -> Result<(), FragmentError> {
        let bits = config.video_bitrate.bits_per_second();
        let kilobits = (bits / 1000).to_string();
        let interval = config.keyframe_interval.as_secs_f64() * config.framerate.as_f64();
        // What the encoders' properties take; a shorter distance harms nobody.
        let most = if self == Self::Vaapi { 300.0 } else { 1024.0 };
        let frames = (interval.round().clamp(1.0, most) as u32).to_string();
        let key = match self {
            Self::Nvenc | Self::Qsv => "gop-size",
            Self::Va | Self::X264 => "key-int-max",
            Self::Vaapi => "keyframe-period",
            Self::V4l2 => {
                let controls = format!(
                    "controls,video_bitrate={bits},video_bitrate_mode=1,\
                     video_gop_size={frames},h264_i_frame_period={frames},\
                     video_b_frames=0,repeat_sequence_header=1"
                );
                return fragment.set("encoder", "extra-controls", &controls);
            }
        };
        fragment.set("encoder", "bitrate", &kilobits)?;
        fragment.set("encoder", key, &frames)
    }
}

/// What became of the encoders that were tried before the one that works.
#[derive(Debug, Default)]
struct Tried {
    missing: Vec<&'static str>,
    broken: Vec<String>,
}

impl Tried {
    fn note(&mut self, codec: Codec, why: TryEncoderError) {
        match why {
            TryEncoderError::Missing if self.missing.contains(&codec.name()) => {}
            TryEncoderError::Missing => self.missing.push(codec.name()),
            TryEncoderError::Broken(reason) => self
                .broken
                .push(format!("{} does not work: {reason}", codec.name())),
        }
    }

    /// For people; empty where nothing was tried.
    fn text(&self) -> String {
        let mut parts = self.broken.clone();
        if !self.missing.is_empty() {
            parts.push(format!("not installed: {}", self.missing.join(", ")));
        }
        parts.join("; ")
    }
}

/// Why an encoder is not used.
#[derive(Debug)]
enum TryEncoderError {
    /// Its element is not there.
    Missing,
    /// It is there, and does not encode.
    Broken(String),
}

/// Tries encoders, best first, by encoding, and takes the first that works. `Err` only where not
/// even x264 does.
pub fn choose(config: &ProgrammeConfig) -> Result<Choice, String> {
    let mut tried = Tried::default();
    let wanted = CANDIDATES
        .iter()
        .filter(|codec| codec.is_meant_by(config.encoder));
    for &codec in wanted {
        match trial(codec, config) {
            Ok(()) => {
                let reason = match (config.encoder, tried.text()) {
                    (EncoderChoice::Auto, tried) if tried.is_empty() => "works here".to_owned(),
                    (EncoderChoice::Auto, tried) => format!("works here; {tried}"),
                    _ => "chosen in the venue file".to_owned(),
                };
                return Ok(Choice {
                    codec,
                    reason,
                    second_best: false,
                });
            }
            Err(reason) => tried.note(codec, reason),
        }
    }
    if matches!(config.encoder, EncoderChoice::X264 | EncoderChoice::Auto) {
        return Err(tried.text());
    }
    let reason = tried.text();
    trial(Codec::X264, config).map_err(|why| {
        tried.note(Codec::X264, why);
        tried.text()
    })?;
    Ok(Choice {
        codec: Codec::X264,
        reason,
        second_best: true,
    })
}

/// Encodes a few black pictures of the programme's size.
fn trial(codec: Codec, config: &ProgrammeConfig) -> Result<(), TryEncoderError> {
    let broken = |error: FragmentError| TryEncoderError::Broken(error.to_string());
    let fragment = Fragment::pipeline(codec.fragment()).map_err(|error| match &error {
        FragmentError::Refused { cause, .. } if cause.matches(gst::ParseError::NoSuchElement) => {
            TryEncoderError::Missing
        }
        _ => broken(error),
    })?;
    codec.tune(&fragment, config).map_err(broken)?;
    let source: gst_app::AppSrc = fragment.element("in").map_err(broken)?;
    let sink: gst_app::AppSink = fragment.element("out").map_err(broken)?;
    let info = picture_info(config);
    source.set_caps(info.to_caps().ok().as_ref());
    let pipeline = fragment.into_bin();
    let result = (|| {
        pipeline
            .set_state(gst::State::Playing)
            .map_err(|_| TryEncoderError::Broken("it does not start".to_owned()))?;
        let picture = gst::Buffer::from_slice(vec![128u8; info.size()]);
        let duration =
            gst::ClockTime::from_nseconds(config.framerate.frame_duration().as_nanos() as u64);
        for n in 0..TRIAL_FRAMES {
            let mut frame = picture.copy();
            if let Some(frame) = frame.get_mut() {
                frame.set_pts(duration * u64::from(n));
                frame.set_duration(duration);
            }
            // A pipeline that broke refuses; the pull below then says so.
            let _ = source.push_buffer(frame);
        }
        let _ = source.end_of_stream();
        let patience = gst::ClockTime::from_nseconds(TRIAL.as_nanos() as u64);
        match sink.try_pull_sample(patience) {
            Some(_) => Ok(()),
            None => Err(TryEncoderError::Broken("it encodes nothing".to_owned())),
        }
    })();
    // NULL cannot be refused.
    let _ = pipeline.set_state(gst::State::Null);
    result
}

/// The programme's raw pictures.
pub fn picture_info(config: &ProgrammeConfig) -> gst_video::VideoInfo {
    let rate = gst::Fraction::new(
        config.framerate.numerator as i32,
        config.framerate.denominator as i32,
    );
    frame_info(config.size, rate)
}

/// Raw pictures of this size and rate (0/1: any) in the programme's colours.
pub fn frame_info(size: FrameSize, rate: gst::Fraction) -> gst_video::VideoInfo {
    let format = gst_video::VideoFormat::I420;
    let builder = gst_video::VideoInfo::builder(format, size.width, size.height);
    let colours = gst_video::VideoColorimetry::new(
        gst_video::VideoColorRange::Range16_235,
        gst_video::VideoColorMatrix::Bt709,
        gst_video::VideoTransferFunction::Bt709,
        gst_video::VideoColorPrimaries::Bt709,
    );
    builder
        .fps(rate)
        .par(gst::Fraction::new(1, 1))
        .colorimetry(&colours)
        .build()
        .expect("sizes have been checked: even and in range")
}

/// Where encoded frames go, whichever encoder makes them. One that is replaced finishes what it has
/// while the next one begins: what comes too late for its place is left out.
#[derive(Debug, Clone)]
pub struct Outlet {
    feed: Arc<Feed>,
    /// Timestamp of the newest, in nanoseconds.
    newest: Arc<Mutex<u64>>,
}

impl Outlet {
    /// To this feed.
    pub fn new(feed: &Arc<Feed>) -> Self {
        Self {
            feed: feed.clone(),
            newest: Arc::default(),
        }
    }

    fn push(&self, buffer: &gst::Buffer) {
        // Encoders are told to make no B-frames: timestamps grow.
        let time = buffer.pts().map_or(0, gst::ClockTime::nseconds);
        // Held while it is handed on, which does not wait: two encoders must not pass each other.
        let mut newest = self.newest.lock();
        if *newest < time {
            *newest = time;
            self.feed.push(buffer);
        }
    }
}

/// An encoder at work.
#[derive(Debug)]
pub struct Encoder {
    _pipe: Pipe,
    source: gst_app::AppSrc,
    sink: gst_app::AppSink,
}

impl Encoder {
    /// Starts the programme's picture encoder.
    pub fn video(
        codec: Codec,
        effort: Effort,
        config: &ProgrammeConfig,
        out: Outlet,
        timebase: &Timebase,
        reporter: Reporter,
    ) -> Result<Self, FragmentError> {
        let fragment = Fragment::pipeline(codec.fragment())?;
        codec.tune(&fragment, config)?;
        codec.exert(&fragment, effort, config.x264_preset)?;
        let caps = picture_info(config).to_caps().ok();
        Self::start(
            fragment,
            caps,
            gst::ClockTime::ZERO,
            out,
            timebase,
            reporter,
        )
    }

    /// Starts the programme's sound encoder.
    pub fn audio(
        config: &ProgrammeConfig,
        out: Outlet,
        timebase: &Timebase,
        reporter: Reporter,
    ) -> Result<Self, FragmentError> {
        let fragment = Fragment::pipeline("encode-audio")?;
        let bits = config.audio_bitrate.bits_per_second().to_string();
        fragment.set("encoder", "bitrate", &bits)?;
        Self::start(fragment, None, AAC_PRIMING, out, timebase, reporter)
    }

    fn start(
        fragment: Fragment,
        caps: Option<gst::Caps>,
        priming: gst::ClockTime,
        out: Outlet,
        timebase: &Timebase,
        reporter: Reporter,
    ) -> Result<Self, FragmentError> {
        let source: gst_app::AppSrc = fragment.element("in")?;
        let sink: gst_app::AppSink = fragment.element("out")?;
        if caps.is_some() {
            source.set_caps(caps.as_ref());
        }
        deliver(&sink, priming, out);
        let pipe = fragment.into_pipe(timebase, reporter);
        // A refusal has been reported; the owner builds anew.
        let _ = pipe.play();
        Ok(Self {
            _pipe: pipe,
            source,
            sink,
        })
    }

    /// Where raw frames or samples go in.
    pub fn input(&self) -> gst_app::AppSrc {
        self.source.clone()
    }

    /// Where encoded frames come out: keyframes are asked for here.
    pub fn output(&self) -> gst_app::AppSink {
        self.sink.clone()
    }
}

/// Hands what arrives at the sink to the feed, in running time and without the silence that the
/// encoder begins with.
fn deliver(sink: &gst_app::AppSink, priming: gst::ClockTime, out: Outlet) {
    let mut known: Option<gst::Caps> = None;
    sink.set_callbacks(
        gst_app::AppSinkCallbacks::builder()
            .new_sample(move |sink| {
                let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                if let Some(caps) = sample.caps()
                    && known.as_deref() != Some(caps)
                {
                    known = Some(caps.to_owned());
                    out.feed.set_caps(known.clone());
                }
                if let Some(mut buffer) = in_running_time(&sample) {
                    let (pts, dts) = (buffer.pts(), buffer.dts());
                    let inner = buffer.make_mut();
                    inner.set_pts(pts.map(|time| time.saturating_sub(priming)));
                    inner.set_dts(dts.map(|time| time.saturating_sub(priming)));
                    out.push(&buffer);
                }
                Ok(gst::FlowSuccess::Ok)
            })
            .build(),
    );
}

/// The sample's buffer with its timestamps moved out of its segment. Encoders start theirs at a
/// thousand hours, so that decoding timestamps never get below zero.
pub fn in_running_time(sample: &gst::Sample) -> Option<gst::Buffer> {
    let mut buffer = sample.buffer_owned()?;
    let segment = sample.segment()?.downcast_ref::<gst::ClockTime>()?;
    let pts = buffer.pts().and_then(|pts| segment.to_running_time(pts));
    let dts = buffer
        .dts()
        .and_then(|dts| segment.to_running_time(dts))
        .or(pts);
    let inner = buffer.make_mut();
    inner.set_pts(pts.or(dts));
    inner.set_dts(dts);
    Some(buffer)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn x264_is_found_by_encoding_and_the_reason_names_the_others() {
        gst::init().unwrap();
        let venue = crate::venue::Venue::parse("t.toml".as_ref(), "").unwrap();
        let choice = choose(&venue.programme).unwrap();
        if choice.codec == Codec::X264 {
            let others = ["nvenc", "vaapi", "qsv", "v4l2"];
            assert!(
                others.iter().all(|other| choice.reason.contains(other)),
                "{}",
                choice.reason
            );
        }
        let mut config = venue.programme;
        config.encoder = EncoderChoice::X264;
        let choice = super::choose(&config).unwrap();
        assert_eq!(choice.reason, "chosen in the venue file");
    }
}
