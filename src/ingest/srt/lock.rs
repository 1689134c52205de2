//! Whether a caller knows the key: SRT never sends a passphrase, but the stream's keys, encrypted
//! with it. Whoever can open these has the same one.

use aes_kw::{KekAes128, KekAes192, KekAes256};
use sha1::Sha1;

/// As the draft has it (6.1.4).
const ROUNDS: u32 = 2048;
/// The salt has 16 bytes; the last 8 of them count here.
const SALT: usize = 16;
/// What wrapping adds to the keys.
const CHECK: usize = 8;

/// The keys of a stream, sealed with a passphrase.
#[derive(Debug, Clone, Copy)]
pub struct Sealed<'a> {
    salt: &'a [u8],
    wrapped: &'a [u8],
    /// Of each key, in bytes.
    length: usize,
}

impl<'a> Sealed<'a> {
    /// Reads key material (draft, 3.2.2), where it is of the one kind that there is.
    pub fn read(material: &'a [u8]) -> Option<Self> {
        let [0x12, 0x20, 0x29, which, ..] = *material else {
            return None;
        };
        // One of the two keys that take turns, or both.
        let keys = usize::from((which & 3).count_ones() as u8);
        let salt_length = usize::from(*material.get(14)?) * 4;
        let length = usize::from(*material.get(15)?) * 4;
        let (salt, wrapped) = material.get(16..)?.split_at_checked(SALT)?;
        let is_sound = salt_length == SALT
            && matches!(length, 16 | 24 | 32)
            && keys > 0
            && wrapped.len() == keys * length + CHECK;
        is_sound.then_some(Self {
            salt,
            wrapped,
            length,
        })
    }

    /// Whether this passphrase opens it. Takes about a millisecond.
    pub fn opens_with(&self, passphrase: &str) -> bool {
        let mut key = [0; 32];
        let salt = &self.salt[SALT - 8..];
        let key = &mut key[..self.length];
        pbkdf2::pbkdf2_hmac::<Sha1>(passphrase.as_bytes(), salt, ROUNDS, key);
        let mut keys = [0; 64];
        let Some(keys) = keys.get_mut(..self.wrapped.len() - CHECK) else {
            return false;
        };
        let opened = match self.length {
            16 => KekAes128::try_from(&*key).map(|kek| kek.unwrap(self.wrapped, keys)),
            24 => KekAes192::try_from(&*key).map(|kek| kek.unwrap(self.wrapped, keys)),
            _ => KekAes256::try_from(&*key).map(|kek| kek.unwrap(self.wrapped, keys)),
        };
        matches!(opened, Ok(Ok(())))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn material(length: usize, keys: usize, passphrase: &str) -> Vec<u8> {
        let salt = [9; SALT];
        let mut kek = vec![0; length];
        pbkdf2::pbkdf2_hmac::<Sha1>(passphrase.as_bytes(), &salt[8..], ROUNDS, &mut kek);
        let plain = vec![3; length * keys];
        let mut wrapped = vec![0; plain.len() + CHECK];
        match length {
            16 => KekAes128::try_from(&kek[..])
                .unwrap()
                .wrap(&plain, &mut wrapped),
            24 => KekAes192::try_from(&kek[..])
                .unwrap()
                .wrap(&plain, &mut wrapped),
            _ => KekAes256::try_from(&kek[..])
                .unwrap()
                .wrap(&plain, &mut wrapped),
        }
        .unwrap();
        let which = if keys == 2 { 3 } else { 1 };
        let mut all = vec![0x12, 0x20, 0x29, which, 0, 0, 0, 0, 2, 0, 2, 0, 0, 0, 4, 0];
        all[15] = (length / 4) as u8;
        all.extend(salt);
        all.extend(wrapped);
        all
    }

    #[test]
    fn only_the_right_passphrase_opens() {
        for (length, keys) in [(16, 1), (24, 1), (32, 1), (32, 2)] {
            let material = material(length, keys, "right passphrase");
            let sealed = Sealed::read(&material).unwrap();
            assert!(sealed.opens_with("right passphrase"), "{length} {keys}");
            assert!(!sealed.opens_with("Right passphrase"), "{length} {keys}");
            assert!(!sealed.opens_with(""), "{length} {keys}");
        }
    }

    #[test]
    fn what_is_no_key_material_is_not_read() {
        let good = material(16, 1, "right passphrase");
        assert!(Sealed::read(&good).is_some());
        for length in 0..good.len() {
            assert!(Sealed::read(&good[..length]).is_none(), "{length}");
        }
        for (at, value) in [
            (0, 0x13),
            (3, 0),
            (3, 3),
            (14, 0),
            (15, 0),
            (15, 5),
            (15, 255),
        ] {
            let mut bad = good.clone();
            bad[at] = value;
            assert!(Sealed::read(&bad).is_none(), "{at} {value}");
        }
    }
}
