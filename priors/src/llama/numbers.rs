//! Numbers of quantised tensors, as llama.cpp reads them.

use llama_cpp_sys_2 as sys;

/// Blocks are copied here first: C may ask for an alignment that bytes do not have.
#[repr(align(16))]
struct Buffer([u8; 1 << 14]);

/// The numbers that these bytes hold in a GGML type.
///
/// `None` where llama.cpp has no such type or cannot read it, and where the bytes are not whole blocks.
pub fn dequantise(kind: u32, bytes: &[u8]) -> Option<Vec<f32>> {
    if kind == sys::GGML_TYPE_F32 {
        let (numbers, rest) = bytes.as_chunks();
        return rest.is_empty().then(|| numbers.iter().map(|x| f32::from_le_bytes(*x)).collect());
    }
    if kind >= sys::GGML_TYPE_COUNT {
        return None;
    }
    #[expect(unsafe_code, reason = "llama-cpp-2 does not wrap it")]
    // SAFETY: the type is one of the table, whose entries live as long as the process.
    let traits = unsafe { &*sys::ggml_get_type_traits(kind) };
    let to_float = traits.to_float?;
    let (block, block_bytes) = (usize::try_from(traits.blck_size).ok()?, traits.type_size);
    let mut buffer = Buffer([0; 1 << 14]);
    if block_bytes == 0 || block_bytes > buffer.0.len() || !bytes.len().is_multiple_of(block_bytes) {
        return None;
    }
    let mut numbers = vec![0.0_f32; bytes.len() / block_bytes * block];
    let blocks = buffer.0.len() / block_bytes;
    for (bytes, numbers) in bytes.chunks(blocks * block_bytes).zip(numbers.chunks_mut(blocks * block)) {
        buffer.0[..bytes.len()].copy_from_slice(bytes);
        #[expect(unsafe_code, reason = "llama-cpp-2 does not wrap it")]
        // SAFETY: it reads whole blocks from the aligned buffer and writes just as many numbers as they have. Any bytes
        // are a block.
        unsafe {
            to_float(buffer.0.as_ptr().cast(), numbers.as_mut_ptr(), numbers.len() as i64);
        }
    }
    Some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_become_their_numbers() {
        // A block of Q8_0 is a scale in F16, here a half, and 32 numbers; so many do not fit into the buffer at once.
        let block: Vec<u8> = [0x00, 0x38].into_iter().chain((0..32).map(|i: u8| i.wrapping_sub(16))).collect();
        let numbers: Vec<f32> = (0..32).map(|i| (i as f32 - 16.0) / 2.0).collect();
        assert_eq!(dequantise(sys::GGML_TYPE_Q8_0, &block.repeat(1001)), Some(numbers.repeat(1001)));
        assert_eq!(dequantise(sys::GGML_TYPE_F16, &[0x00, 0x3c, 0x00, 0xc0]), Some(vec![1.0, -2.0]));
        assert_eq!(dequantise(sys::GGML_TYPE_F32, &0.1_f32.to_le_bytes()), Some(vec![0.1]));
        assert_eq!(dequantise(sys::GGML_TYPE_F16, &[]), Some(Vec::new()));
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        // 31 was removed from llama.cpp.
        for kind in [sys::GGML_TYPE_I8, sys::GGML_TYPE_Q8_1, 31, sys::GGML_TYPE_COUNT, u32::MAX] {
            assert_eq!(dequantise(kind, &[0; 36]), None, "type {kind}");
        }
        assert_eq!(dequantise(sys::GGML_TYPE_Q8_0, &[0; 35]), None);
        assert_eq!(dequantise(sys::GGML_TYPE_F32, &[0; 3]), None);
    }
}
