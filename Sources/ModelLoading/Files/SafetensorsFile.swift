// SPDX-License-Identifier: Apache-2.0

/// One `.safetensors` file: its table, and its tensors.
struct SafetensorsFile {
    private enum Contents {
        case mapped(TensorStorage)
        case opened(StoredFile)
    }

    let path: String
    let header: SafetensorsHeader
    let identity: FileIdentity
    private let contents: Contents

    /// Adapters above this size are refused; rank 64 on all linear layers of a model of 70 billion
    /// parameters has 3.3 GB in f32.
    static let maximumReadBytes = 4 << 30

    /// Maps a file of base weights; see `MappedBytes` for what that asks of its writer.
    static func mapped(path: String) throws(ModelLoadingError) -> SafetensorsFile {
        let file = try OpenedFile(path: path)
        let identity = file.identity
        // An empty mapping is an error of mmap; the header check gives the better message.
        let storage: TensorStorage =
            file.byteCount == 0 ? try CopiedBytes(file, limit: 0) : try MappedBytes(file)
        do {
            let header = try withExtendedLifetime(storage) { () throws(ModelLoadingError) in
                try SafetensorsHeader(file: storage.bytes)
            }
            return SafetensorsFile(
                path: path, header: header, identity: identity, contents: .mapped(storage))
        } catch {
            throw error.at(path: path)
        }
    }

    /// Reads the table of a file whose tensors are read when they are wanted.
    static func opened(
        path: String, limit: Int = maximumReadBytes
    ) throws(ModelLoadingError) -> SafetensorsFile {
        let opened = try OpenedFile(path: path)
        let identity = opened.identity
        let file = StoredFile(opened)
        guard file.byteCount <= limit else {
            throw ModelLoadingError(
                .tooLarge, "\(file.byteCount) bytes is over the limit of \(limit)", path: path)
        }
        do {
            let length = try file.copy(0..<min(file.byteCount, SafetensorsHeader.lengthBytes))
            let start = try SafetensorsHeader.dataStart(length.bytes, fileBytes: file.byteCount)
            let beginning = try file.copy(0..<start)
            let header = try withExtendedLifetime(beginning) { () throws(ModelLoadingError) in
                try SafetensorsHeader(beginning: beginning.bytes, fileBytes: file.byteCount)
            }
            return SafetensorsFile(
                path: path, header: header, identity: identity, contents: .opened(file))
        } catch {
            throw error.at(path: path)
        }
    }

    /// A view of one of the header's entries; `wrongType` if its elements cannot be read.
    func view(_ entry: SafetensorsHeader.Entry) throws(ModelLoadingError) -> TensorView {
        let type = try elementType(of: entry)
        let storage: TensorStorage
        var offset = 0
        switch contents {
        case .opened(let file): storage = try file.copy(entry.bytes)
        // The format promises no alignment; a tensor that lies badly gets memory of its own.
        case .mapped(let mapped) where entry.bytes.lowerBound % type.byteCount != 0:
            let bytes = mapped.bytes[entry.bytes]
            storage = CopiedBytes(count: bytes.count) { $0.copyBytes(from: bytes) }
        case .mapped(let mapped):
            storage = mapped
            offset = entry.bytes.lowerBound
        }
        return TensorView(
            name: entry.name, type: type, shape: entry.shape, storage: storage, offset: offset)
    }

    /// One of the header's entries as a factor of an adapter, which has two sizes.
    func factor(_ entry: SafetensorsHeader.Entry) throws(ModelLoadingError) -> FactorMatrix {
        switch contents {
        case .mapped: FactorMatrix(try view(entry))
        case .opened(let file):
            FactorMatrix(
                name: entry.name, type: try elementType(of: entry), shape: entry.shape,
                file: file, offset: entry.bytes.lowerBound)
        }
    }

    private func elementType(
        of entry: SafetensorsHeader.Entry
    ) throws(ModelLoadingError) -> TensorType {
        if let type = TensorType(rawValue: entry.type) { return type }
        let known = TensorType.allCases.map(\.rawValue).joined(separator: ", ")
        throw ModelLoadingError(
            .wrongType, "elements of type \(entry.type) cannot be read, only \(known)",
            path: path, key: entry.name)
    }
}
