use std::io::Cursor;

use proptest::prelude::*;

use super::*;

const UINT32: u32 = 4;
const STRING: u32 = 8;
const ARRAY: u32 = 9;

/// A small, whole GGUF file: one F16 tensor of 8 numbers.
fn small(architecture: &str) -> Vec<u8> {
    let mut file = Vec::new();
    let string = |file: &mut Vec<u8>, text: &str| {
        file.extend((text.len() as u64).to_le_bytes());
        file.extend(text.as_bytes());
    };
    file.extend(b"GGUF");
    file.extend(3_u32.to_le_bytes());
    file.extend(1_u64.to_le_bytes());
    file.extend(2_u64.to_le_bytes());
    string(&mut file, "general.architecture");
    file.extend(STRING.to_le_bytes());
    string(&mut file, architecture);
    string(&mut file, "some.array");
    file.extend(ARRAY.to_le_bytes());
    file.extend(UINT32.to_le_bytes());
    file.extend(2_u64.to_le_bytes());
    file.extend([0; 8]);
    string(&mut file, "weights");
    file.extend(1_u32.to_le_bytes());
    file.extend(8_u64.to_le_bytes());
    file.extend(1_u32.to_le_bytes());
    file.extend(0_u64.to_le_bytes());
    file.resize(file.len().div_ceil(32) * 32 + 16, 0);
    file
}

fn read(file: &[u8]) -> Result<GgufHead, GgufError> {
    GgufHead::read(file, file.len() as u64)
}

#[test]
fn a_whole_file_is_read() -> Result<(), GgufError> {
    let head = read(&small("llama"))?;
    assert_eq!((head.architecture.as_str(), head.parameters, head.precision().as_str()), ("llama", 8, "F16"));
    assert!(head.is_floating_point());
    Ok(())
}

#[test]
fn what_is_wrong_is_said() {
    let whole = small("llama");
    let says = |file: &[u8], words: &str| {
        let error = read(file).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains(words), "{error:?} does not say {words:?}");
    };
    says(b"PK\x03\x04 a zip file", "not a GGUF file");
    says(b"", "byte 0");
    says(&whole[..20], "failed to read its head");
    says(&whole[..whole.len() - 1], "truncated: tensor weights");
    let mut newer = whole.clone();
    newer[4] = 9;
    says(&newer, "version is 9");
    let mut huge = whole.clone();
    huge[8..16].copy_from_slice(&u64::MAX.to_le_bytes());
    says(&huge, "at most");
}

#[test]
fn what_is_written_is_read() -> Result<(), GgufError> {
    let texts = Value::array(&["a", "", "c"].map(|text| Value::String(text.to_owned())));
    let metadata = [
        ("general.architecture", Value::String("llama".to_owned())),
        ("texts", texts),
        ("nothing", Value::array(&[])),
        ("yes", Value::Bool(true)),
        ("less", Value::I64(-1)),
        ("half", Value::F64(0.5)),
    ];
    let tensors = [
        TensorData::f32("b".to_owned(), vec![1, 3], &[1.0, -2.0, 0.5]),
        TensorData { name: "a".to_owned(), dims: vec![2, 32], kind: 8, bytes: (0..68).collect() },
    ];
    let mut file = Cursor::new(Vec::new());
    write(&mut file, &metadata, &tensors).expect("room");
    let bytes = file.get_ref().len() as u64;
    let content = Content::read(Cursor::new(file.get_ref()), bytes)?;
    assert_eq!(content.metadata, metadata.into_iter().map(|(key, value)| (key.to_owned(), value)).collect());
    for tensor in &tensors {
        let info = &content.tensors[&tensor.name];
        assert_eq!((&info.dims, info.kind), (&tensor.dims, tensor.kind));
        assert_eq!(content.read_tensor(&mut file, info).expect("its data"), tensor.bytes);
    }
    // Data begin at multiples of 32 bytes, and the last fill theirs.
    assert_eq!((content.data % 32, bytes), (0, content.data + 32 + 96));
    Ok(())
}

#[test]
fn an_array_longer_than_the_file_is_refused_before_it_is_read() {
    let mut file = small("llama");
    let at = file.windows(10).position(|w| w == b"some.array").expect("the array") + 10 + 8;
    for (count, words) in [(10_000_000_u64, "failed to read its head at byte"), (100_000_000, "at most")] {
        file[at..at + 8].copy_from_slice(&count.to_le_bytes());
        let error = read(&file).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn any_bytes_of_any_type_become_as_many_numbers_as_the_table_says() {
    let mut read = 0;
    for kind in 0..100 {
        let Some((block, bytes)) = types::type_size(kind) else { continue };
        for byte in 0..=255 {
            let numbers = crate::llama::numbers::dequantise(kind, &vec![byte; 3 * bytes as usize]);
            if let Some(numbers) = numbers {
                assert_eq!(numbers.len() as u64, 3 * block, "{}", type_name(kind));
                read += 1;
            }
        }
    }
    assert!(read > 25 * 256, "{read}");
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes);
    }

    #[test]
    fn no_damage_makes_the_reader_panic(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        keep in any::<prop::sample::Index>(),
    ) {
        let mut file = small("llama");
        for (at, byte) in changes {
            let at = at.index(file.len());
            file[at] = byte;
        }
        let _ = read(&file);
        file.truncate(keep.index(file.len()));
        let _ = read(&file);
    }
}
