//! Where raw pictures leave a pipeline: an appsink that hands each one on with its layout and its time.
//! Owns nothing but the sink's callbacks, which run on the pipeline's streaming thread; whoever takes the
//! pictures must not wait there.

use gst::prelude::*;
use gst_video::VideoInfo;

/// A picture that has left.
#[derive(Debug)]
pub struct Leaving {
    /// Its pixels.
    pub buffer: gst::Buffer,
    /// Their layout.
    pub info: VideoInfo,
    /// Its stamp, in nanoseconds of running time; `None` where it has none.
    pub stamp: Option<u64>,
}

/// Hands on every picture that arrives at the sink; those of which nobody knows the layout are left out.
pub fn on_picture(
    sink: &gst_app::AppSink,
    mut take: impl FnMut(&gst_app::AppSink, Leaving) + Send + 'static,
) {
    // Layouts change once in a connection, if ever.
    let mut known: Option<(gst::Caps, VideoInfo)> = None;
    take_any_stride(sink);
    sink.set_callbacks(
        gst_app::AppSinkCallbacks::builder()
            .new_sample(move |sink| {
                let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                let Some(caps) = sample.caps() else {
                    return Ok(gst::FlowSuccess::Ok);
                };
                if known.as_ref().is_none_or(|(own, _)| **own != *caps) {
                    known = layout_of(caps).map(|info| (caps.to_owned(), info));
                }
                if let (Some((_, info)), Some(buffer)) = (&known, sample.buffer_owned()) {
                    let stamp = running_time(&sample);
                    let info = info.clone();
                    take(
                        sink,
                        Leaving {
                            buffer,
                            info,
                            stamp,
                        },
                    );
                }
                Ok(gst::FlowSuccess::Ok)
            })
            .build(),
    );
}

/// The layout of pictures with these caps, without what does not concern a single picture: rate and
/// interlacing. A converter refuses pictures that differ from its frame in those.
pub fn layout_of(caps: &gst::CapsRef) -> Option<VideoInfo> {
    let full = VideoInfo::from_caps(caps).ok()?;
    VideoInfo::builder(full.format(), full.width(), full.height())
        .par(full.par())
        .colorimetry(&full.colorimetry())
        .build()
        .ok()
}

/// The sample's stamp, in nanoseconds of running time.
pub fn running_time(sample: &gst::Sample) -> Option<u64> {
    let segment = sample.segment()?.downcast_ref::<gst::ClockTime>()?;
    let pts = sample.buffer()?.pts()?;
    segment.to_running_time(pts).map(gst::ClockTime::nseconds)
}

/// Tells the decoder that lines may be longer than a picture is wide: else it copies each picture
/// into memory without the room that decoding needs around it.
fn take_any_stride(sink: &gst_app::AppSink) {
    let Some(pad) = sink.static_pad("sink") else {
        return;
    };
    pad.add_probe(gst::PadProbeType::QUERY_DOWNSTREAM, |_, info| {
        match info.query_mut().map(gst::QueryRef::view_mut) {
            Some(gst::QueryViewMut::Allocation(query)) => {
                query.add_allocation_meta::<gst_video::VideoMeta>(None);
                gst::PadProbeReturn::Handled
            }
            _ => gst::PadProbeReturn::Ok,
        }
    });
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn pictures_leave_with_their_time_and_a_layout_that_follows_the_caps() {
        gst::init().unwrap();
        let source = gst_app::AppSrc::builder()
            .format(gst::Format::Time)
            .is_live(true)
            .build();
        let sink = gst_app::AppSink::builder().sync(false).build();
        let pipeline = gst::Pipeline::new();
        let line: [&gst::Element; 2] = [source.upcast_ref(), sink.upcast_ref()];
        pipeline.add_many(line).unwrap();
        gst::Element::link_many(line).unwrap();
        let (told, heard) = mpsc::channel();
        on_picture(&sink, move |_, picture| {
            let size = (picture.info.width(), picture.info.height());
            told.send((size, picture.info.fps(), picture.stamp))
                .unwrap();
        });
        pipeline.set_state(gst::State::Playing).unwrap();
        for (width, stamp) in [(64, Some(40)), (32, None)] {
            let caps: gst::Caps =
                format!("video/x-raw,format=I420,width={width},height=32,framerate=25/1")
                    .parse()
                    .unwrap();
            let info = VideoInfo::from_caps(&caps).unwrap();
            let mut buffer = gst::Buffer::with_size(info.size()).unwrap();
            let pts = stamp.map(gst::ClockTime::from_mseconds);
            buffer.get_mut().unwrap().set_pts(pts);
            let sample = gst::Sample::builder().caps(&caps).buffer(&buffer).build();
            source.push_sample(&sample).unwrap();
        }
        let wait = std::time::Duration::from_secs(5);
        let none = gst::Fraction::new(0, 1);
        let first = heard.recv_timeout(wait).unwrap();
        assert_eq!(first, ((64, 32), none, Some(40_000_000)));
        assert_eq!(heard.recv_timeout(wait).unwrap(), ((32, 32), none, None));
        pipeline.set_state(gst::State::Null).unwrap();
    }
}
