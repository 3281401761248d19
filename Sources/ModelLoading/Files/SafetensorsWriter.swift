// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import StrictJSON

/// A tensor under its name, row-major, outside any file.
package struct NamedTensor: Sendable, Equatable {
    package let name: String
    package let shape: [Int]
    package let values: [Float]

    /// `values` must have as many elements as the shape says.
    package init(_ name: String, _ shape: [Int], _ values: [Float]) {
        precondition(
            shape.reduce(1, *) == values.count, "\(values.count) values for \(name) \(shape)")
        self.name = name
        self.shape = shape
        self.values = values
    }
}

/// Writes `.safetensors` files: the same tensors give the same bytes, whatever their order.
///
/// Source: https://github.com/huggingface/safetensors#format
package enum SafetensorsWriter {
    /// The element types that are written; bf16 is rounded to the nearest, ties to even.
    package enum ElementType: String, Sendable, CaseIterable {
        case f32 = "F32"
        case bf16 = "BF16"

        var byteCount: Int { self == .f32 ? 4 : 2 }
    }

    /// The whole contents of a file with these tensors, sorted by the bytes of their names.
    ///
    /// - Throws: `unexpectedTensor` where a name occurs twice or is that of the metadata, and
    ///   `notFinite` for an infinity or a NaN, which also bf16 can make of a large number.
    package static func bytes(
        _ tensors: [NamedTensor], type: ElementType = .f32, metadata: [String: String] = [:]
    ) throws(ModelLoadingError) -> [UInt8] {
        let sorted = tensors.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
        try check(sorted, type)
        var header = header(sorted, type, metadata)
        // The tensors begin at a multiple of eight, as the reference implementation has it.
        while header.count % 8 != 0 { header.append(UInt8(ascii: " ")) }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(
            8 + header.count + sorted.reduce(0) { $0 + $1.values.count * type.byteCount })
        append(UInt64(header.count), to: &bytes)
        bytes += header
        for tensor in sorted {
            switch type {
            case .f32: for value in tensor.values { append(value.bitPattern, to: &bytes) }
            case .bf16: for value in tensor.values { append(rounded(value), to: &bytes) }
            }
        }
        return bytes
    }

    /// Writes a file in one go: whoever reads the path sees the old file or the new one.
    ///
    /// - Throws: as ``bytes(_:type:metadata:)``, and `unwritable`.
    package static func write(
        _ tensors: [NamedTensor], type: ElementType = .f32, metadata: [String: String] = [:],
        to path: String
    ) throws(ModelLoadingError) {
        let contents: [UInt8]
        do {
            contents = try bytes(tensors, type: type, metadata: metadata)
        } catch {
            throw error.at(path: path)
        }
        do {
            try Data(contents).write(to: URL(fileURLWithPath: path), options: .atomic)
        } catch {
            throw ModelLoadingError(.unwritable, error.localizedDescription, path: path)
        }
    }

    private static func check(
        _ sorted: [NamedTensor], _ type: ElementType
    ) throws(ModelLoadingError) {
        for (tensor, next) in zip(sorted, sorted.dropFirst()) where tensor.name == next.name {
            throw ModelLoadingError(.unexpectedTensor, "occurs twice", key: tensor.name)
        }
        for tensor in sorted {
            guard tensor.name != metadataName else {
                throw ModelLoadingError(
                    .unexpectedTensor, "is the name of the metadata", key: tensor.name)
            }
            let isFinite = tensor.values.allSatisfy {
                switch type {
                case .f32: $0.isFinite
                case .bf16: $0.isFinite && rounded($0) & 0x7F80 != 0x7F80
                }
            }
            guard isFinite else {
                throw ModelLoadingError(
                    .notFinite, "holds an infinity or a NaN as \(type.rawValue)", key: tensor.name)
            }
        }
    }

    private static let metadataName = "__metadata__"

    private static func header(
        _ sorted: [NamedTensor], _ type: ElementType, _ metadata: [String: String]
    ) -> [UInt8] {
        var writer = JSONWriter(reserving: 128 * sorted.count + 64)
        writer.beginObject()
        if !metadata.isEmpty {
            writer.key(metadataName)
            writer.beginObject()
            for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
                writer.key(key)
                writer.value(value)
            }
            writer.endObject()
        }
        var offset = 0
        for tensor in sorted {
            let end = offset + tensor.values.count * type.byteCount
            writer.key(tensor.name)
            writer.beginObject()
            writer.key("dtype")
            writer.value(type.rawValue)
            writer.key("shape")
            writer.value(tensor.shape)
            writer.key("data_offsets")
            writer.value([offset, end])
            writer.endObject()
            offset = end
        }
        writer.endObject()
        return writer.bytes
    }

    private static func append(_ word: some FixedWidthInteger, to bytes: inout [UInt8]) {
        withUnsafeBytes(of: word.littleEndian) { bytes.append(contentsOf: $0) }
    }

    private static func rounded(_ value: Float) -> UInt16 {
        let pattern = value.bitPattern
        guard value.isFinite else { return UInt16(truncatingIfNeeded: pattern >> 16) }
        return UInt16(truncatingIfNeeded: (pattern &+ 0x7FFF &+ (pattern >> 16 & 1)) >> 16)
    }
}
