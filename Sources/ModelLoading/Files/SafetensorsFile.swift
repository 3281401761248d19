// SPDX-License-Identifier: Apache-2.0

/// One `.safetensors` file: its table, and views into its bytes.
struct SafetensorsFile {
    let path: String
    let header: SafetensorsHeader
    private let storage: TensorStorage

    /// Adapters above this size are refused rather than copied; rank 64 on all linear layers of a
    /// model of 70 billion parameters has 3.3 GB in f32.
    static let maximumCopiedBytes = 4 << 30

    /// Maps a file of base weights; see `MappedBytes` for what that asks of its writer.
    static func mapped(path: String) throws(ModelLoadingError) -> SafetensorsFile {
        let file = try OpenedFile(path: path)
        // An empty mapping is an error of mmap; the header check gives the better message.
        let storage: TensorStorage =
            file.byteCount == 0 ? try CopiedBytes(file, limit: 0) : try MappedBytes(file)
        return try SafetensorsFile(path: path, storage: storage)
    }

    /// Reads a file into memory, so that nothing that happens to it later matters.
    static func copied(
        path: String, limit: Int = maximumCopiedBytes
    ) throws(ModelLoadingError) -> SafetensorsFile {
        let storage = try CopiedBytes(try OpenedFile(path: path), limit: limit)
        return try SafetensorsFile(path: path, storage: storage)
    }

    private init(path: String, storage: TensorStorage) throws(ModelLoadingError) {
        self.path = path
        self.storage = storage
        do {
            header = try withExtendedLifetime(storage) { () throws(ModelLoadingError) in
                try SafetensorsHeader(file: storage.bytes)
            }
        } catch {
            throw error.at(path: path)
        }
    }

    /// A view of one of the header's entries; `wrongType` if its elements cannot be read.
    func view(_ entry: SafetensorsHeader.Entry) throws(ModelLoadingError) -> TensorView {
        guard let type = TensorType(rawValue: entry.type) else {
            let known = TensorType.allCases.map(\.rawValue).joined(separator: ", ")
            throw ModelLoadingError(
                .wrongType, "elements of type \(entry.type) cannot be read, only \(known)",
                path: path, key: entry.name)
        }
        var source = storage
        var offset = entry.bytes.lowerBound
        // The format promises no alignment; a tensor that lies badly gets memory of its own.
        if offset % type.byteCount != 0 {
            let bytes = storage.bytes[entry.bytes]
            source = CopiedBytes(count: bytes.count) { $0.copyBytes(from: bytes) }
            offset = 0
        }
        return TensorView(
            name: entry.name, type: type, shape: entry.shape, storage: source, offset: offset)
    }
}
