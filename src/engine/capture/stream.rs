//! The frames of a device, in memory that it shares with us. A frame is lent until it is given back;
//! nobody keeps one, so that the driver never runs out of them.

use v4l2r::bindings;
use v4l2r::ioctl::{
    self, BufferFlags, DqBufIoctlError, IntoErrno, IoctlConvertError, QueryBuffer, V4l2Buffer,
};
use v4l2r::memory::MemoryType;

use super::cause::Cause;
use super::device::{Device, Failure, QUEUE};

/// Frames under way: while one is read, the next may come, and one more if we are held up.
const FRAMES: u32 = 6;

/// Which of a picture's fields a frame has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// A whole picture.
    Whole,
    /// Every second line of one.
    Half,
    /// Both, line by line; whether the first is the upper one, if that is known.
    Both(Option<bool>),
}

/// A frame that is lent.
#[derive(Debug, Clone, Copy)]
pub struct Frame {
    index: u32,
    /// How much of its memory is filled.
    pub bytes: usize,
    /// What of a picture it has.
    pub field: Field,
    /// When it was captured, on the system's monotonic clock, in nanoseconds; `None`: nobody knows.
    pub captured: Option<u64>,
    /// Parts of it are missing.
    pub is_damaged: bool,
}

#[cfg(test)]
impl Frame {
    /// So many bytes, captured just now.
    pub fn of(bytes: usize, field: Field) -> Self {
        Self {
            index: 0,
            bytes,
            field,
            captured: None,
            is_damaged: false,
        }
    }
}

/// A running stream; dropped, it is off.
pub struct Stream<'d> {
    device: &'d Device,
    /// Each wraps the memory of one frame.
    memory: Vec<gst::Buffer>,
}

impl<'d> Stream<'d> {
    /// Switches the stream on.
    pub fn start(device: &'d Device) -> Result<Self, Failure> {
        let file = device.file();
        let count: usize = ioctl::reqbufs(file, QUEUE, MemoryType::Mmap, FRAMES)
            .map_err(|error| device.failed(error.into_errno(), "REQBUFS"))?;
        let mut stream = Self {
            device,
            memory: Vec::with_capacity(count),
        };
        for index in 0..count {
            let place: QueryBuffer = ioctl::querybuf(file, QUEUE, index)
                .map_err(|error| device.failed(error.into_errno(), "QUERYBUF"))?;
            let plane = place
                .planes
                .first()
                .ok_or_else(|| unreadable("no memory"))?;
            let mapped = ioctl::mmap(file, plane.mem_offset, plane.length)
                .map_err(|error| device.failed(error.into_errno(), "mmap"))?;
            stream.memory.push(gst::Buffer::from_slice(mapped));
            stream.give_back(index as u32)?;
        }
        ioctl::streamon(file, QUEUE)
            .map_err(|error| device.failed(error.into_errno(), "STREAMON"))?;
        Ok(stream)
    }

    /// The next frame, where there is one already.
    pub fn next(&self) -> Result<Option<Frame>, Failure> {
        let buffer: V4l2Buffer = match ioctl::dqbuf(self.device.file(), QUEUE) {
            Ok(buffer) => buffer,
            Err(IoctlConvertError::IoctlError(DqBufIoctlError::NotReady)) => return Ok(None),
            Err(IoctlConvertError::IoctlError(error)) => {
                return Err(self.device.failed(error.into_errno(), "DQBUF"));
            }
            Err(IoctlConvertError::ConversionError(error)) => {
                return Err(unreadable(&error.to_string()));
            }
        };
        let raw = buffer.as_v4l2_buffer();
        let is_monotonic = raw.flags & bindings::V4L2_BUF_FLAG_TIMESTAMP_MASK
            == bindings::V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
        let time = &raw.timestamp;
        let nanoseconds = u64::try_from(time.tv_sec)
            .ok()
            .zip(u64::try_from(time.tv_usec).ok());
        let nanoseconds = nanoseconds.map(|(s, us)| s * 1_000_000_000 + us * 1000);
        Ok(Some(Frame {
            index: raw.index,
            bytes: raw.bytesused as usize,
            field: field(raw.field),
            captured: nanoseconds.filter(|time| is_monotonic && *time > 0),
            is_damaged: buffer.flags().contains(BufferFlags::ERROR),
        }))
    }

    /// The memory of a frame that is lent.
    pub fn memory(&self, frame: &Frame) -> Option<&gst::Buffer> {
        self.memory.get(frame.index as usize)
    }

    /// The driver may fill it again.
    pub fn end(&self, frame: Frame) -> Result<(), Failure> {
        self.give_back(frame.index)
    }

    fn give_back(&self, index: u32) -> Result<(), Failure> {
        let buffer = V4l2Buffer::new(QUEUE, index, MemoryType::Mmap);
        ioctl::qbuf::<_, ()>(self.device.file(), buffer)
            .map_err(|error| self.device.failed(error.into_errno(), "QBUF"))
    }
}

impl Drop for Stream<'_> {
    fn drop(&mut self) {
        let file = self.device.file();
        // A device that has gone has no stream to be switched off.
        let _ = ioctl::streamoff(file, QUEUE);
        self.memory.clear();
        let _ = ioctl::reqbufs::<()>(file, QUEUE, MemoryType::Mmap, 0);
    }
}

fn field(field: u32) -> Field {
    match field {
        bindings::v4l2_field_V4L2_FIELD_TOP | bindings::v4l2_field_V4L2_FIELD_BOTTOM => Field::Half,
        bindings::v4l2_field_V4L2_FIELD_INTERLACED => Field::Both(None),
        bindings::v4l2_field_V4L2_FIELD_INTERLACED_TB => Field::Both(Some(true)),
        bindings::v4l2_field_V4L2_FIELD_INTERLACED_BT => Field::Both(Some(false)),
        _ => Field::Whole,
    }
}

fn unreadable(detail: &str) -> Failure {
    Failure {
        cause: Cause::Broken {
            reason: "its driver answers nonsense".to_owned(),
        },
        detail: detail.to_owned(),
    }
}
