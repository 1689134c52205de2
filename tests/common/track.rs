//! One stream of a recording: its packets with their stamps, and what it says of itself.

use serde_json::Value;

/// Packets closer than this are parts of one picture.
const SAME_PICTURE: f64 = 0.000_5;

/// One stream of a recording.
pub struct Track {
    pub packets: Vec<Packet>,
    properties: Value,
    starts_with_keyframe: bool,
}

/// One packet, in the order of arrival; its stamps are the sender's, in seconds.
#[derive(Debug, Clone, Copy)]
pub struct Packet {
    pub pts: f64,
    pub dts: f64,
    pub is_keyframe: bool,
    pub bytes: u64,
}

impl Track {
    /// The first stream of this kind in what ffprobe shows.
    pub fn find(content: &Value, kind: &str) -> Option<Self> {
        let streams = content["streams"].as_array()?;
        let properties = streams.iter().find(|stream| stream["codec_type"] == kind)?;
        let packets: Vec<Packet> = content["packets"]
            .as_array()?
            .iter()
            .filter(|packet| packet["stream_index"] == properties["index"])
            .filter_map(Packet::read)
            .collect();
        let starts_with_keyframe = packets.first()?.is_keyframe;
        Some(Self {
            packets,
            properties: properties.clone(),
            starts_with_keyframe,
        })
    }

    /// ffmpeg has no stamp for the first packet from RTSP, and writes a guess.
    pub fn forget_unstamped(&mut self) {
        if self.packets.len() > 2 {
            self.packets.remove(0);
        }
    }

    /// Parameter sets that travel in RTP packets of their own arrive as packets of their own.
    pub fn join_pictures(&mut self) {
        self.packets.dedup_by(|next, kept| {
            let joined = (next.pts - kept.pts).abs() < SAME_PICTURE;
            if joined {
                kept.bytes += next.bytes;
                kept.is_keyframe |= next.is_keyframe;
            }
            joined
        });
    }

    /// The stamp that times within a recording are counted from.
    pub fn first(&self) -> f64 {
        self.packets[0].pts
    }

    pub fn span(&self) -> f64 {
        self.packets[self.packets.len() - 1].pts - self.first()
    }

    /// Such as `h264`, `aac`.
    pub fn codec(&self) -> &str {
        self.text("codec_name")
    }

    /// As ffprobe writes it: `Constrained Baseline`, `Main`, `High`; `LC`.
    pub fn profile(&self) -> &str {
        self.text("profile")
    }

    /// Any property that ffprobe shows as a text, such as `color_space`, `sample_rate`.
    pub fn text(&self, name: &str) -> &str {
        self.properties[name].as_str().unwrap_or_default()
    }

    /// Any property that ffprobe shows as a number, such as `width`, `channels`.
    pub fn number(&self, name: &str) -> u64 {
        self.properties[name].as_u64().unwrap_or(0)
    }

    pub fn size(&self) -> (u64, u64) {
        (self.number("width"), self.number("height"))
    }

    /// The decoder expects pictures out of order, or some came so.
    pub fn has_b_frames(&self) -> bool {
        let reordered = self
            .packets
            .windows(2)
            .any(|pair| pair[1].pts < pair[0].pts);
        reordered || self.number("has_b_frames") > 0
    }

    /// Seconds from each keyframe to the next.
    pub fn keyframe_distances(&self) -> Vec<f64> {
        let keys: Vec<f64> = self
            .packets
            .iter()
            .filter(|packet| packet.is_keyframe)
            .map(|packet| packet.pts)
            .collect();
        keys.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }

    pub fn starts_with_keyframe(&self) -> bool {
        self.starts_with_keyframe
    }

    /// The longest step between two stamps, and where it begins, from the track's start.
    pub fn longest_gap(&self) -> (f64, f64) {
        let steps = self
            .packets
            .windows(2)
            .map(|pair| (pair[0].pts - self.first(), pair[1].pts - pair[0].pts));
        steps
            .max_by(|a, b| a.1.total_cmp(&b.1))
            .unwrap_or((0.0, 0.0))
    }

    pub fn backward_steps(&self) -> usize {
        self.packets
            .windows(2)
            .filter(|pair| pair[1].dts < pair[0].dts)
            .count()
    }

    /// Bits per second over the whole track.
    pub fn bit_rate(&self) -> f64 {
        let bytes: u64 = self.packets.iter().map(|packet| packet.bytes).sum();
        bytes as f64 * 8.0 / self.span()
    }
}

impl Packet {
    fn read(shown: &Value) -> Option<Self> {
        let number = |name: &str| shown[name].as_str()?.parse::<f64>().ok();
        let dts = number("dts_time").or_else(|| number("pts_time"))?;
        Some(Self {
            pts: number("pts_time").unwrap_or(dts),
            dts,
            is_keyframe: shown["flags"].as_str()?.starts_with('K'),
            bytes: number("size")? as u64,
        })
    }
}
