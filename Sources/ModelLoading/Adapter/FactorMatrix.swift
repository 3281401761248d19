// SPDX-License-Identifier: Apache-2.0

/// A low-rank factor, row-major, that is read a few rows at a time: from memory, or from its file,
/// which stays open for as long as the value lives.
///
/// An adapter is packed from its file without a copy in between. What happens to the file after it
/// was opened may change the values or end the reading, but cannot trap.
package struct FactorMatrix: Sendable {
    private enum Source {
        case memory(TensorView)
        case file(StoredFile, offset: Int)
    }

    package let name: String
    package let type: TensorType
    package let shape: [Int]
    private let source: Source

    package init(_ view: TensorView) {
        name = view.name
        type = view.type
        shape = view.shape
        source = .memory(view)
    }

    /// The caller has checked that the elements lie inside `file`.
    init(name: String, type: TensorType, shape: [Int], file: StoredFile, offset: Int) {
        self.name = name
        self.type = type
        self.shape = shape
        source = .file(file, offset: offset)
    }

    package var elementCount: Int { shape.reduce(1, *) }

    package var byteCount: Int { elementCount * type.byteCount }

    /// Calls `body` with all rows in their order, a multiple of `step` rows at a time but for the
    /// last, as bytes that are aligned for the type and valid during the call.
    ///
    /// What comes from a file is checked first: no element is an infinity or a NaN.
    ///
    /// - Throws: `unreadable` or `notFinite`, after perhaps some calls.
    package func read(
        by step: Int = 1, into buffer: ReadBuffer,
        _ body: (_ rows: Range<Int>, _ bytes: UnsafeRawBufferPointer) -> Void
    ) throws(ModelLoadingError) {
        let rowCount = shape[0]
        switch source {
        case .memory(let view):
            view.withUnsafeBytes { body(0..<rowCount, $0) }
        case .file(let file, let offset):
            let rowBytes = shape.dropFirst().reduce(type.byteCount, *)
            let part = step * max(1, ReadBuffer.partBytes / max(1, step * rowBytes))
            for first in stride(from: 0, to: rowCount, by: part) {
                let rows = first..<min(rowCount, first + part)
                let memory = buffer.room(for: rows.count * rowBytes)
                try file.read(at: offset + first * rowBytes, into: memory)
                let bytes = UnsafeRawBufferPointer(memory)
                guard type.isFinite(bytes) else {
                    throw ModelLoadingError(
                        .notFinite, "holds an infinity or a NaN: the training diverged",
                        path: file.path, key: name)
                }
                body(rows, bytes)
            }
        }
    }

    /// The elements converted to `Float`, in order. Copies; meant for small matrices.
    package func floats() throws(ModelLoadingError) -> [Float] {
        var all: [Float] = []
        try read(into: ReadBuffer()) { _, bytes in all += type.floats(bytes) }
        return all
    }
}
