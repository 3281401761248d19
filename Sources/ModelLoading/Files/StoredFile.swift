// SPDX-License-Identifier: Apache-2.0

/// A file that stays open, so that parts of it can be read when they are wanted.
final class StoredFile: Sendable {
    private let file: OpenedFile

    init(_ file: consuming OpenedFile) {
        self.file = file
    }

    var path: String { file.path }

    /// The size when it was opened.
    var byteCount: Int { file.byteCount }

    /// Fills `memory` with the bytes from `offset` on; callable from several threads.
    func read(
        at offset: Int, into memory: UnsafeMutableRawBufferPointer
    ) throws(ModelLoadingError) {
        try file.read(at: offset, into: memory)
    }

    /// A copy of a part, in memory of its own.
    func copy(_ range: Range<Int>) throws(ModelLoadingError) -> CopiedBytes {
        try CopiedBytes(file, at: range.lowerBound, count: range.count)
    }
}

/// Memory of one thread that parts of files are read into, one after the other.
package final class ReadBuffer {
    /// Small enough for the second cache, so that what was read is still there when it is used.
    static let partBytes = 128 << 10
    private static let cacheLine = 64

    private var memory: UnsafeMutableRawBufferPointer

    package init() {
        memory = .allocate(byteCount: Self.partBytes, alignment: Self.cacheLine)
    }

    deinit {
        memory.deallocate()
    }

    /// Room for `count` bytes, aligned to a cache line; what was there before is gone.
    func room(for count: Int) -> UnsafeMutableRawBufferPointer {
        if count > memory.count {
            memory.deallocate()
            memory = .allocate(byteCount: count, alignment: Self.cacheLine)
        }
        return UnsafeMutableRawBufferPointer(rebasing: memory[0..<count])
    }
}
