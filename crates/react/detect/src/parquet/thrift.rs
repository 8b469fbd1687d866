//! Thrift's compact protocol, as far as Parquet's metadata needs it to be written.

const I32: u8 = 5;
const I64: u8 = 6;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const STRUCT: u8 = 12;

/// A struct whose fields are added in the order of their numbers.
#[derive(Debug, Default)]
pub(crate) struct Struct {
    bytes: Vec<u8>,
    last: i16,
}

impl Struct {
    fn field(&mut self, number: i16, kind: u8) {
        let delta = number - self.last;
        debug_assert!((1..16).contains(&delta), "fields are added in order");
        self.bytes.push(u8::try_from(delta).unwrap_or(0) << 4 | kind);
        self.last = number;
    }

    pub(crate) fn i32(&mut self, number: i16, value: i32) -> &mut Self {
        self.field(number, I32);
        varint(zigzag(i64::from(value)), &mut self.bytes);
        self
    }

    pub(crate) fn i64(&mut self, number: i16, value: i64) -> &mut Self {
        self.field(number, I64);
        varint(zigzag(value), &mut self.bytes);
        self
    }

    pub(crate) fn text(&mut self, number: i16, value: &str) -> &mut Self {
        self.field(number, BINARY);
        self.string(value);
        self
    }

    pub(crate) fn one(&mut self, number: i16, value: Self) -> &mut Self {
        self.field(number, STRUCT);
        self.bytes.extend(value.encode());
        self
    }

    pub(crate) fn structs(&mut self, number: i16, values: Vec<Self>) -> &mut Self {
        self.list(number, STRUCT, values.len());
        values.into_iter().for_each(|value| self.bytes.extend(value.encode()));
        self
    }

    pub(crate) fn i32s(&mut self, number: i16, values: &[i32]) -> &mut Self {
        self.list(number, I32, values.len());
        values.iter().for_each(|value| varint(zigzag(i64::from(*value)), &mut self.bytes));
        self
    }

    pub(crate) fn texts(&mut self, number: i16, values: &[&str]) -> &mut Self {
        self.list(number, BINARY, values.len());
        values.iter().for_each(|value| self.string(value));
        self
    }

    fn list(&mut self, number: i16, kind: u8, length: usize) {
        self.field(number, LIST);
        match u8::try_from(length) {
            Ok(short) if short < 15 => self.bytes.push(short << 4 | kind),
            _ => {
                self.bytes.push(0xf0 | kind);
                varint(length as u64, &mut self.bytes);
            }
        }
    }

    fn string(&mut self, value: &str) {
        varint(value.len() as u64, &mut self.bytes);
        self.bytes.extend(value.as_bytes());
    }

    /// With the byte that ends it.
    pub(crate) fn encode(mut self) -> Vec<u8> {
        self.bytes.push(0);
        self.bytes
    }
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

pub(crate) fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(u8::try_from(value & 0x7f).unwrap_or(0) | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).unwrap_or(0));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_numbers_and_lists() {
        let mut inner = Struct::default();
        inner.i32(1, -1);
        let mut all = Struct::default();
        all.i32(1, 300).text(4, "ab").i32s(5, &[1, 2]).one(6, inner);
        assert_eq!(
            all.encode(),
            [0x15, 0xd8, 0x04, 0x38, 2, b'a', b'b', 0x19, 0x25, 2, 4, 0x1c, 0x15, 1, 0, 0]
        );
        let mut long = Struct::default();
        long.i32s(1, &[0; 15]);
        assert_eq!(long.encode()[..3], [0x19, 0xf5, 15]);
    }
}
