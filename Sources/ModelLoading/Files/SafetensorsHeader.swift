// SPDX-License-Identifier: Apache-2.0

import StrictJSON

/// The table at the start of a `.safetensors` file, checked against the file's size.
///
/// Layout: 8 bytes little-endian length `n`, `n` bytes of JSON, then the tensors' bytes, which
/// cover the rest of the file without gap or overlap.
/// Source: https://github.com/huggingface/safetensors#format
struct SafetensorsHeader {
    /// One tensor's entry; `bytes` counts from the start of the file.
    struct Entry {
        let name: String
        let type: String
        let shape: [Int]
        let bytes: Range<Int>
    }

    /// The limit of the reference implementation.
    static let maximumJSONBytes = 100_000_000
    private static let maximumDimensions = 32
    /// Room for some 400,000 tensors.
    private static let jsonLimits = JSONLimits(
        byteCount: maximumJSONBytes, depth: 8, valueCount: 4 << 20)

    /// In the order of their bytes.
    let entries: [Entry]
    /// What the writer noted, without a meaning here.
    let metadata: [String: String]

    /// The bytes that `dataStart` needs.
    static let lengthBytes = 8

    /// Reads the header of the file whose whole contents are `file`; errors carry no path.
    init(file: UnsafeRawBufferPointer) throws(ModelLoadingError) {
        try self.init(beginning: file, fileBytes: file.count)
    }

    /// Reads the header out of the first bytes of a file, at least up to `dataStart`.
    init(beginning: UnsafeRawBufferPointer, fileBytes: Int) throws(ModelLoadingError) {
        let start = try Self.dataStart(beginning, fileBytes: fileBytes)
        let json = UnsafeRawBufferPointer(rebasing: beginning[Self.lengthBytes..<start])
        guard json.first == UInt8(ascii: "{") else {
            throw Self.malformed("the header does not begin with '{'")
        }
        guard case .object(let table) = try JSONFile.parse(json, limits: Self.jsonLimits) else {
            throw Self.malformed("the header is not a JSON object")
        }
        var entries: [Entry] = []
        var metadata: [String: String] = [:]
        for member in table.members {
            if member.name == "__metadata__" {
                metadata = try Self.metadata(member.value)
            } else {
                entries.append(try Self.entry(member.name, member.value, dataStart: start))
            }
        }
        entries.sort {
            ($0.bytes.lowerBound, $0.bytes.upperBound) < ($1.bytes.lowerBound, $1.bytes.upperBound)
        }
        try Self.checkCover(entries, dataStart: start, fileBytes: fileBytes)
        self.entries = entries
        self.metadata = metadata
    }

    private static func malformed(_ message: String, tensor: String? = nil) -> ModelLoadingError {
        ModelLoadingError(.malformedTensors, message, key: tensor)
    }

    /// Where the tensors' bytes begin, by the first bytes of the file.
    static func dataStart(
        _ beginning: UnsafeRawBufferPointer, fileBytes: Int
    ) throws(ModelLoadingError) -> Int {
        guard beginning.count >= lengthBytes else {
            throw malformed("\(fileBytes) bytes are too few for a .safetensors file")
        }
        let length = UInt64(littleEndian: beginning.loadUnaligned(as: UInt64.self))
        guard length <= UInt64(maximumJSONBytes) else {
            throw malformed(
                "the header claims \(length) bytes, over the limit of \(maximumJSONBytes): "
                    + "this is not a .safetensors file, or it is damaged")
        }
        let start = lengthBytes + Int(length)
        guard start <= fileBytes else {
            throw malformed(
                "the header claims \(length) bytes, but the file has \(fileBytes) in all: "
                    + "it is cut short or damaged")
        }
        return start
    }

    private static func metadata(
        _ value: JSONValue
    ) throws(ModelLoadingError) -> [String: String] {
        guard case .object(let object) = value else { throw malformedMetadata }
        var metadata: [String: String] = [:]
        for member in object.members {
            guard let text = member.value.string else { throw malformedMetadata }
            metadata[member.name] = text
        }
        return metadata
    }

    private static let malformedMetadata = malformed(
        "must map strings to strings", tensor: "__metadata__")

    private static func entry(
        _ name: String, _ value: JSONValue, dataStart: Int
    ) throws(ModelLoadingError) -> Entry {
        guard case .object(let object) = value else {
            throw malformed("the entry is \(value.kind), not an object", tensor: name)
        }
        if let unknown = object.members.first(where: {
            !["dtype", "shape", "data_offsets"].contains($0.name)
        }) {
            throw malformed("the entry has an unknown key \"\(unknown.name)\"", tensor: name)
        }
        guard let type = object["dtype"]?.string else {
            throw malformed("the entry has no dtype", tensor: name)
        }
        guard let shape = sizes(object["shape"]), shape.count <= maximumDimensions else {
            throw malformed(
                "shape must be a list of at most \(maximumDimensions) sizes", tensor: name)
        }
        guard let offsets = sizes(object["data_offsets"]), offsets.count == 2 else {
            throw malformed("data_offsets must be two byte counts", tensor: name)
        }
        let (begin, firstOverflow) = offsets[0].addingReportingOverflow(dataStart)
        let (end, secondOverflow) = offsets[1].addingReportingOverflow(dataStart)
        guard !firstOverflow, !secondOverflow, begin <= end else {
            throw malformed("data_offsets \(offsets) are not a range", tensor: name)
        }
        let entry = Entry(name: name, type: type, shape: shape, bytes: begin..<end)
        try checkSize(entry)
        return entry
    }

    private static func sizes(_ value: JSONValue?) -> [Int]? {
        guard case .array(let values) = value else { return nil }
        var sizes: [Int] = []
        sizes.reserveCapacity(values.count)
        for value in values {
            guard let size = value.exactInteger, size >= 0 else { return nil }
            sizes.append(size)
        }
        return sizes
    }

    /// Bits per element of the format's element types; others may appear but cannot be read.
    private static let elementBits: [String: Int] = [
        "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8,
        "F8_E4M3": 8, "F8_E8M0": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32,
        "U32": 32, "F32": 32, "C64": 64, "F64": 64, "I64": 64, "U64": 64,
    ]

    private static func checkSize(_ entry: Entry) throws(ModelLoadingError) {
        guard var bits = elementBits[entry.type] else { return }
        // Zeros first, so that an empty tensor with other huge sizes does not overflow.
        for size in entry.shape.sorted() {
            let (product, overflow) = bits.multipliedReportingOverflow(by: size)
            guard !overflow else {
                throw malformed("shape \(entry.shape) overflows", tensor: entry.name)
            }
            bits = product
        }
        guard bits % 8 == 0, bits / 8 == entry.bytes.count else {
            throw malformed(
                "shape \(entry.shape) of \(entry.type) needs \(bits / 8) bytes, "
                    + "data_offsets give \(entry.bytes.count)", tensor: entry.name)
        }
    }

    private static func checkCover(
        _ entries: [Entry], dataStart: Int, fileBytes: Int
    ) throws(ModelLoadingError) {
        var end = dataStart
        for entry in entries {
            guard entry.bytes.lowerBound >= end else {
                throw malformed("its bytes overlap those of another tensor", tensor: entry.name)
            }
            guard entry.bytes.lowerBound == end else {
                throw malformed(
                    "\(entry.bytes.lowerBound - end) bytes before it belong to no tensor",
                    tensor: entry.name)
            }
            end = entry.bytes.upperBound
        }
        guard end <= fileBytes else {
            throw malformed(
                "the tensors end at byte \(end), but the file has \(fileBytes): it is cut short",
                tensor: entries.last?.name)
        }
        guard end == fileBytes else {
            throw malformed(
                "\(fileBytes - end) bytes after the last tensor belong to none: "
                    + "the file is damaged")
        }
    }
}
