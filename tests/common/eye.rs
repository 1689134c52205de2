//! A player in this process that tells when what it sees changes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gst::prelude::*;

/// A player of the relay that knows what it shows: the brightness of the picture's middle, and when
/// that last changed by much.
pub struct Eye {
    pipeline: gst::Pipeline,
    /// Nanoseconds since `begun`; 0 before the first change.
    changed: Arc<AtomicU64>,
    begun: Instant,
}

impl Eye {
    /// Plays an RTSP stream by TCP.
    pub fn open(url: &str) -> Self {
        gst::init().unwrap();
        let line = "rtspsrc name=in latency=0 protocols=tcp ! rtph264depay ! h264parse ! \
                    avdec_h264 max-threads=1 ! appsink name=out sync=false max-buffers=2 drop=true";
        let pipeline = gst::parse::launch(line).unwrap();
        let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
        pipeline
            .by_name("in")
            .unwrap()
            .set_property("location", url);
        let sink = pipeline.by_name("out").unwrap();
        let sink = sink.downcast::<gst_app::AppSink>().unwrap();
        let (changed, begun) = (Arc::new(AtomicU64::new(0)), Instant::now());
        let (at, mut last) = (changed.clone(), None::<u8>);
        let on_sample = move |sink: &gst_app::AppSink| {
            let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
            let caps = sample.caps().and_then(|caps| caps.structure(0)).unwrap();
            let size = |name: &str| caps.get::<i32>(name).unwrap();
            let (width, height) = (size("width"), size("height"));
            let map = sample.buffer().unwrap().map_readable().unwrap();
            let middle = map[(height / 2 * width + width / 2) as usize];
            if last.is_some_and(|last| last.abs_diff(middle) > 60) {
                at.store(begun.elapsed().as_nanos() as u64, Ordering::Release);
            }
            last = Some(middle);
            Ok(gst::FlowSuccess::Ok)
        };
        let callbacks = gst_app::AppSinkCallbacks::builder().new_sample(on_sample);
        sink.set_callbacks(callbacks.build());
        pipeline.set_state(gst::State::Playing).unwrap();
        Self {
            pipeline,
            changed,
            begun,
        }
    }

    /// From `since` until the picture changed; `None` where it did not within 3 s.
    pub fn wait_change(&self, since: Instant) -> Option<Duration> {
        let from = since.duration_since(self.begun).as_nanos() as u64;
        while since.elapsed() < Duration::from_secs(3) {
            let at = self.changed.load(Ordering::Acquire);
            if at > from {
                return Some(Duration::from_nanos(at - from));
            }
            std::thread::sleep(Duration::from_micros(500));
        }
        None
    }
}

impl Drop for Eye {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}
