//! Lets players know at once that a picture is whole.
//!
//! Most players (all that use libavcodec's parser: ffmpeg, mpv, VLC's way is alike) take a picture
//! for whole when the next one begins, and so are a frame behind whatever they do. Every picture
//! begins with an access unit delimiter (ITU-T H.264, 7.3.2.4), which says nothing of what follows.
//! The programme's pictures follow each other at a fixed distance, so the delimiter of the next one
//! can be sent, with its proper timestamp, right behind the one that is there.

glib::wrapper! {
    /// Takes whole H.264 pictures of an even rate, in byte-stream format, and sends the next one's
    /// delimiter after each.
    pub struct Ahead(ObjectSubclass<imp::Ahead>) @extends gst::Element, gst::Object;
}

impl Ahead {
    /// An element with one pad on each side, `sink` and `src`.
    pub fn new() -> Self {
        glib::Object::new()
    }
}

/// A start code and the delimiter before a picture of any type.
const DELIMITER: [u8; 6] = [0, 0, 0, 1, 0x09, 0xf0];

/// Whether the picture begins with a delimiter of whatever type.
fn begins_with_delimiter(picture: &gst::BufferRef) -> bool {
    let mut start = [0; DELIMITER.len()];
    picture.copy_to_slice(0, &mut start).is_ok() && start[..5] == DELIMITER[..5]
}

/// The rest of the picture, in the same memory.
fn without_delimiter(picture: &gst::BufferRef) -> Option<gst::Buffer> {
    let rest = DELIMITER.len()..picture.size();
    let mut copy = picture
        .copy_region(gst::BufferCopyFlags::all(), rest)
        .ok()?;
    // A part of a buffer has no time of its own.
    let inner = copy.get_mut()?;
    inner.set_pts(picture.pts());
    inner.set_dts(picture.dts());
    inner.set_duration(picture.duration());
    Some(copy)
}

/// The next picture's delimiter; `None` where it is not known when that comes.
fn delimiter_after(picture: &gst::BufferRef) -> Option<gst::Buffer> {
    let next = picture.pts()? + picture.duration()?;
    let mut buffer = gst::Buffer::from_slice(DELIMITER);
    let inner = buffer.get_mut()?;
    inner.set_pts(next);
    inner.set_dts(
        picture
            .dts()
            .zip(picture.duration())
            .map(|(dts, d)| dts + d),
    );
    inner.set_flags(gst::BufferFlags::DELTA_UNIT);
    Some(buffer)
}

/// Takes the marker off a packet of RTP that carries nothing but a delimiter: it is not the end of a
/// picture.
pub fn unmark(packet: &mut gst::BufferRef) {
    const HEADER: usize = 12;
    let mut bytes = [0; HEADER + 1];
    let alone = packet.size() == HEADER + 2
        && packet.copy_to_slice(0, &mut bytes).is_ok()
        && bytes[HEADER] & 0x1f == 0x09;
    if alone {
        // What does not fit cannot be: it has just been read.
        let _ = packet.copy_from_slice(1, &[bytes[1] & 0x7f]);
    }
}

mod imp {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicBool, Ordering};

    use glib::subclass::prelude::*;
    use gst::prelude::*;
    use gst::subclass::prelude::*;

    use super::{begins_with_delimiter, delimiter_after, without_delimiter};

    pub struct Ahead {
        sink: gst::Pad,
        src: gst::Pad,
        /// The delimiter of the picture to come has gone out.
        sent: AtomicBool,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Ahead {
        const NAME: &'static str = "RegieAhead";
        type Type = super::Ahead;
        type ParentType = gst::Element;

        fn with_class(class: &Self::Class) -> Self {
            let template = |name| class.pad_template(name).expect("a template of its own");
            let sink = gst::Pad::builder_from_template(&template("sink"))
                .chain_function(|_, parent, buffer| {
                    Self::catch_panic_pad_function(
                        parent,
                        || Err(gst::FlowError::Error),
                        |ahead| ahead.pass(buffer),
                    )
                })
                .flags(gst::PadFlags::PROXY_CAPS | gst::PadFlags::PROXY_ALLOCATION)
                .build();
            let src = gst::Pad::builder_from_template(&template("src"))
                .flags(gst::PadFlags::PROXY_CAPS)
                .build();
            Self {
                sink,
                src,
                sent: AtomicBool::new(false),
            }
        }
    }

    impl ObjectImpl for Ahead {
        fn constructed(&self) {
            self.parent_constructed();
            let element = self.obj();
            for pad in [&self.sink, &self.src] {
                element.add_pad(pad).expect("two pads of its own");
            }
        }
    }

    impl GstObjectImpl for Ahead {}

    impl ElementImpl for Ahead {
        fn pad_templates() -> &'static [gst::PadTemplate] {
            static TEMPLATES: LazyLock<[gst::PadTemplate; 2]> = LazyLock::new(|| {
                let caps = gst::Caps::builder("video/x-h264")
                    .field("stream-format", "byte-stream")
                    .field("alignment", "au")
                    .build();
                [gst::PadDirection::Sink, gst::PadDirection::Src].map(|direction| {
                    let name = match direction {
                        gst::PadDirection::Sink => "sink",
                        _ => "src",
                    };
                    gst::PadTemplate::new(name, direction, gst::PadPresence::Always, &caps)
                        .expect("a template")
                })
            });
            TEMPLATES.as_ref()
        }
    }

    impl Ahead {
        /// On the streaming thread.
        fn pass(&self, picture: gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
            let next = delimiter_after(&picture);
            let sent = self.sent.swap(next.is_some(), Ordering::Relaxed);
            let picture = if sent && begins_with_delimiter(&picture) {
                without_delimiter(&picture).ok_or(gst::FlowError::Error)?
            } else {
                picture
            };
            self.src.push(picture)?;
            match next {
                Some(next) => self.src.push(next),
                None => Ok(gst::FlowSuccess::Ok),
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use gst::prelude::*;

    fn picture(n: u64, data: &[u8]) -> gst::Buffer {
        let mut buffer = gst::Buffer::from_slice(data.to_vec());
        let inner = buffer.get_mut().unwrap();
        inner.set_pts(gst::ClockTime::from_mseconds(40 * n));
        inner.set_duration(gst::ClockTime::from_mseconds(40));
        buffer
    }

    /// What comes out: milliseconds, and the bytes.
    fn pass(pictures: &[gst::Buffer]) -> Vec<(u64, Vec<u8>)> {
        gst::init().unwrap();
        let caps = "video/x-h264,stream-format=byte-stream,alignment=au";
        let source = gst_app::AppSrc::builder()
            .format(gst::Format::Time)
            .caps(&caps.parse().unwrap())
            .build();
        let sink = gst_app::AppSink::builder().sync(false).build();
        let pipeline = gst::Pipeline::new();
        let ahead = Ahead::new();
        let line: [&gst::Element; 3] = [source.upcast_ref(), ahead.upcast_ref(), sink.upcast_ref()];
        pipeline.add_many(line).unwrap();
        gst::Element::link_many(line).unwrap();
        pipeline.set_state(gst::State::Playing).unwrap();
        for picture in pictures {
            source.push_buffer(picture.clone()).unwrap();
        }
        source.end_of_stream().unwrap();
        let mut out = Vec::new();
        while let Ok(sample) = sink.pull_sample() {
            let buffer = sample.buffer().unwrap();
            let bytes = buffer.map_readable().unwrap().to_vec();
            out.push((buffer.pts().unwrap().mseconds(), bytes));
        }
        pipeline.set_state(gst::State::Null).unwrap();
        out
    }

    #[test]
    fn the_next_delimiter_follows_each_picture_and_comes_once() {
        let data = |slice: u8| [&[0, 0, 0, 1, 0x09, 0x30, 0, 0, 0, 1, 0x41][..], &[slice]].concat();
        gst::init().unwrap();
        let out = pass(&[
            picture(0, &data(1)),
            picture(1, &data(2)),
            picture(2, &data(3)),
        ]);
        let delimiter = DELIMITER.to_vec();
        let rest = |slice| data(slice)[6..].to_vec();
        let wanted = [
            (0, data(1)),
            (40, delimiter.clone()),
            (40, rest(2)),
            (80, delimiter.clone()),
            (80, rest(3)),
            (120, delimiter),
        ];
        assert_eq!(out, wanted);
    }

    #[test]
    fn without_a_duration_nothing_is_sent_ahead() {
        gst::init().unwrap();
        let bare = gst::Buffer::from_slice(vec![0, 0, 0, 1, 0x41, 9]);
        let mut bare = bare;
        bare.get_mut().unwrap().set_pts(gst::ClockTime::ZERO);
        assert_eq!(pass(&[bare]).len(), 1);
    }

    #[test]
    fn a_delimiter_alone_is_not_marked_as_an_end() {
        gst::init().unwrap();
        let marked = |payload: &[u8]| {
            let header = [0x80, 0xe0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
            let mut packet = gst::Buffer::from_mut_slice([&header[..], payload].concat());
            unmark(packet.get_mut().unwrap());
            packet.map_readable().unwrap()[1] == 0xe0
        };
        assert!(!marked(&[0x09, 0xf0]));
        assert!(marked(&[0x41, 0xf0]));
        assert!(marked(&[0x41, 0xf0, 1]));
    }
}
