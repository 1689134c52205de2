//! AMF0, the notation of RTMP's commands. Only what commands of publishers hold is kept; references
//! are not followed, because a few bytes of them stand for gigabytes.

use super::Violation;

/// Objects within objects: `connect` has one.
const DEEPEST: usize = 6;
/// Values in one command, all told: encoders send some thirty.
const MOST: usize = 512;

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Any number; always a double.
    Number(f64),
    /// A truth.
    Boolean(bool),
    /// A text.
    Text(String),
    /// Names and values, of an object or of an array with names.
    Object(Vec<(String, Value)>),
    /// An array.
    List(Vec<Value>),
    /// Null, undefined, or something that a command has no use for.
    Null,
}

impl Value {
    /// The text that it is.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// What stands under that name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        match self {
            Self::Object(members) => {
                let found = members.iter().find(|(own, _)| own == name);
                found.map(|(_, value)| value)
            }
            _ => None,
        }
    }
}

/// All values of a command.
pub fn read(bytes: &[u8]) -> Result<Vec<Value>, Violation> {
    let mut reader = Reader {
        rest: bytes,
        values: 0,
    };
    let mut all = Vec::new();
    while !reader.rest.is_empty() {
        all.push(reader.value(0)?);
    }
    Ok(all)
}

struct Reader<'a> {
    rest: &'a [u8],
    values: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Violation> {
        let (head, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or(Violation::Command)?;
        self.rest = rest;
        Ok(head)
    }

    fn byte(&mut self) -> Result<u8, Violation> {
        Ok(self.take(1)?[0])
    }

    /// An unsigned number of so many bytes.
    fn unsigned(&mut self, bytes: usize) -> Result<usize, Violation> {
        let digits = self.take(bytes)?.iter();
        Ok(digits.fold(0, |all, digit| all << 8 | usize::from(*digit)))
    }

    fn text(&mut self, length: usize) -> Result<String, Violation> {
        // An encoder of no fixed encoding: the names that matter here are ASCII.
        Ok(String::from_utf8_lossy(self.take(length)?).into_owned())
    }

    fn value(&mut self, depth: usize) -> Result<Value, Violation> {
        self.values += 1;
        if depth > DEEPEST || self.values > MOST {
            return Err(Violation::Command);
        }
        match self.byte()? {
            0 => {
                let mut bits = [0; 8];
                bits.copy_from_slice(self.take(8)?);
                Ok(Value::Number(f64::from_be_bytes(bits)))
            }
            1 => Ok(Value::Boolean(self.byte()? != 0)),
            2 => {
                let length = self.unsigned(2)?;
                self.text(length).map(Value::Text)
            }
            3 => self.members(depth),
            // Null, undefined, unsupported.
            5 | 6 | 13 => Ok(Value::Null),
            7 => self.take(2).map(|_| Value::Null),
            8 => {
                // Its count is a hint at best: the end is marked as an object's is.
                self.take(4)?;
                self.members(depth)
            }
            10 => {
                let count = self.unsigned(4)?;
                let mut list = Vec::new();
                for _ in 0..count {
                    list.push(self.value(depth + 1)?);
                }
                Ok(Value::List(list))
            }
            // A date.
            11 => self.take(10).map(|_| Value::Null),
            // Long texts, XML.
            12 | 15 => {
                let length = self.unsigned(4)?;
                self.text(length).map(Value::Text)
            }
            // An object of a named class.
            16 => {
                let length = self.unsigned(2)?;
                self.take(length)?;
                self.members(depth)
            }
            _ => Err(Violation::Command),
        }
    }

    fn members(&mut self, depth: usize) -> Result<Value, Violation> {
        let mut members = Vec::new();
        loop {
            let length = self.unsigned(2)?;
            let name = self.text(length)?;
            if name.is_empty() {
                // The mark of an object's end.
                return match self.byte()? {
                    9 => Ok(Value::Object(members)),
                    _ => Err(Violation::Command),
                };
            }
            members.push((name, self.value(depth + 1)?));
        }
    }
}

/// Writes values one after the other. Texts are ours, and short.
pub fn write(values: &[Value]) -> Vec<u8> {
    let mut out = Vec::new();
    for value in values {
        put(&mut out, value);
    }
    out
}

fn put(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Number(number) => {
            out.push(0);
            out.extend(number.to_be_bytes());
        }
        Value::Boolean(truth) => out.extend([1, u8::from(*truth)]),
        Value::Text(text) => {
            out.push(2);
            put_text(out, text);
        }
        Value::Object(members) => {
            out.push(3);
            for (name, value) in members {
                put_text(out, name);
                put(out, value);
            }
            out.extend([0, 0, 9]);
        }
        Value::List(values) => {
            out.push(10);
            out.extend((values.len() as u32).to_be_bytes());
            for value in values {
                put(out, value);
            }
        }
        Value::Null => out.push(5),
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    let mut end = text.len().min(usize::from(u16::MAX));
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    out.extend((end as u16).to_be_bytes());
    out.extend(&text.as_bytes()[..end]);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let command = vec![
            Value::Text("connect".to_owned()),
            Value::Number(1.0),
            Value::Object(vec![
                ("app".to_owned(), Value::Text("ingest".to_owned())),
                ("fpad".to_owned(), Value::Boolean(false)),
                ("nothing".to_owned(), Value::Null),
                (
                    "fourCcList".to_owned(),
                    Value::List(vec![Value::Text("hvc1".to_owned())]),
                ),
            ]),
        ];
        let read = read(&write(&command)).unwrap();
        assert_eq!(read, command);
        let app = read[2].get("app").and_then(Value::text);
        assert_eq!(app, Some("ingest"));
    }

    #[test]
    fn what_would_grow_without_end_is_refused() {
        // An object within an object, a thousand times.
        let deep: Vec<u8> = [3, 0, 1, b'a'].repeat(1000);
        assert_eq!(read(&deep), Err(Violation::Command));
        // A list that says it has four thousand million members.
        let long = [&[10, 255, 255, 255, 255][..], &[5; 4000]].concat();
        assert_eq!(read(&long), Err(Violation::Command));
        // A list of lists of references, each of which would stand for all before it.
        let references = [10, 0, 0, 0, 2, 7, 0, 0, 7, 0, 0];
        let value = read(&references).unwrap();
        assert_eq!(value, [Value::List(vec![Value::Null, Value::Null])]);
    }

    #[test]
    fn what_is_cut_off_is_refused() {
        let whole = write(&[
            Value::Text("publish".to_owned()),
            Value::Object(vec![("a".to_owned(), Value::Number(1.0))]),
        ]);
        // A text that is whole is a command that is whole.
        for length in (1..whole.len()).filter(|length| *length != 10) {
            assert_eq!(read(&whole[..length]), Err(Violation::Command), "{length}");
        }
    }
}
