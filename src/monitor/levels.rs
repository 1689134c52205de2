//! What a meter shows of one sound, and its bytes in the memory.

/// Bytes of one [`Levels`], little endian.
pub const BYTES: usize = 32;

/// How loud a sound is. "Nothing" is minus infinity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Levels {
    /// Peak of left and right in dB of full scale; falls by 20 dB in 1.7 s (IEC 60268-18, type I).
    pub peak_db: [f32; 2],
    /// Loudness of the last 400 ms in LUFS (ITU-R BS.1770, EBU R 128).
    pub momentary: f32,
    /// Loudness of the last 3 s in LUFS.
    pub short_term: f32,
    /// Samples at or above full scale since the engine's start.
    pub clips: u64,
    /// Milliseconds since it was last louder than what the venue calls silence, or since the engine's
    /// start.
    pub silent_ms: u32,
    /// Whether there has been sound at all, however quiet, within the last second.
    pub present: bool,
}

impl Levels {
    /// No sound, ever.
    pub const NOTHING: Self = Self {
        peak_db: [f32::NEG_INFINITY; 2],
        momentary: f32::NEG_INFINITY,
        short_term: f32::NEG_INFINITY,
        clips: 0,
        silent_ms: 0,
        present: false,
    };

    /// As bytes.
    pub fn to_bytes(&self) -> [u8; BYTES] {
        let words = [
            self.peak_db[0].to_bits(),
            self.peak_db[1].to_bits(),
            self.momentary.to_bits(),
            self.short_term.to_bits(),
            self.clips as u32,
            (self.clips >> 32) as u32,
            self.silent_ms,
            u32::from(self.present),
        ];
        let mut bytes = [0; BYTES];
        for (place, word) in bytes.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// From bytes.
    pub fn from_bytes(bytes: &[u8; BYTES]) -> Self {
        let mut words = [0; BYTES / 4];
        let (quads, _) = bytes.as_chunks::<4>();
        for (word, quad) in words.iter_mut().zip(quads) {
            *word = u32::from_le_bytes(*quad);
        }
        let [
            left,
            right,
            momentary,
            short_term,
            low,
            high,
            silent_ms,
            flags,
        ] = words;
        Self {
            peak_db: [f32::from_bits(left), f32::from_bits(right)],
            momentary: f32::from_bits(momentary),
            short_term: f32::from_bits(short_term),
            clips: u64::from(low) | u64::from(high) << 32,
            silent_ms,
            present: flags & 1 == 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_survive_the_memory() {
        let loud = Levels {
            peak_db: [-3.25, f32::NEG_INFINITY],
            momentary: -23.0,
            short_term: -70.5,
            clips: u64::MAX - 7,
            silent_ms: u32::MAX,
            present: true,
        };
        for levels in [loud, Levels::NOTHING] {
            assert_eq!(Levels::from_bytes(&levels.to_bytes()), levels);
        }
        assert_eq!(&loud.to_bytes()[..4], (-3.25f32).to_le_bytes());
    }
}
