// SPDX-License-Identifier: Apache-2.0

import Glibc

/// A regular file that is open for reading, with its size at that time.
struct OpenedFile: ~Copyable {
    let path: String
    let byteCount: Int
    private let changed: timespec
    fileprivate let descriptor: Int32

    var identity: FileIdentity {
        let resolved = realpath(path, nil)
        defer { free(resolved) }
        return FileIdentity(
            path: resolved.map { String(cString: $0) } ?? path, byteCount: byteCount,
            changedSeconds: changed.tv_sec, changedNanoseconds: changed.tv_nsec)
    }

    init(path: String) throws(ModelLoadingError) {
        self.path = path
        // Not blocking matters for a FIFO alone, whose open would wait for a writer.
        descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            let reason = errno
            let code: ModelLoadingError.Code = reason == ENOENT ? .notFound : .unreadable
            throw ModelLoadingError(code, Self.describe(reason), path: path)
        }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            let reason = errno
            close(descriptor)
            throw ModelLoadingError(.unreadable, Self.describe(reason), path: path)
        }
        // A FIFO or a device may have no end.
        guard status.st_mode & S_IFMT == S_IFREG, let size = Int(exactly: status.st_size) else {
            close(descriptor)
            throw ModelLoadingError(.unreadable, "is not a regular file", path: path)
        }
        byteCount = size
        changed = status.st_ctim
    }

    deinit {
        close(descriptor)
    }

    /// Fills `memory` with the bytes from `offset` on; callable from several threads.
    ///
    /// - Throws: `unreadable`, also where the file has become too short.
    func read(
        at offset: Int, into memory: UnsafeMutableRawBufferPointer
    ) throws(ModelLoadingError) {
        var done = 0
        while done < memory.count {
            let target = memory.baseAddress.map { $0 + done }
            let count = pread(descriptor, target, memory.count - done, off_t(offset + done))
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else {
                let reason = count == 0 ? "was cut short" : Self.describe(errno)
                throw ModelLoadingError(.unreadable, "\(reason) while it was read", path: path)
            }
            done += count
        }
    }

    static func describe(_ code: Int32) -> String { String(cString: strerror(code)) }
}

/// A whole file mapped read-only.
///
/// A file that another program cuts short while it is mapped raises SIGBUS at the next touch.
/// That is accepted for base weights alone: they are far too large to copy, their path comes from
/// the trusted manifest, and every program that maps weights shares the rule that a model is
/// replaced by renaming, never rewritten in place. Adapters, which come and go while the server
/// runs, are read (`StoredFile`).
final class MappedBytes: TensorStorage, @unchecked Sendable {
    /// Maps all of a file that is not empty.
    init(_ file: borrowing OpenedFile) throws(ModelLoadingError) {
        let address = mmap(nil, file.byteCount, PROT_READ, MAP_PRIVATE, file.descriptor, 0)
        guard let address, address != MAP_FAILED else {
            throw ModelLoadingError(.unreadable, OpenedFile.describe(errno), path: file.path)
        }
        // Advice only: the pages are wanted soon, all of them; a refusal costs nothing but time.
        _ = madvise(address, file.byteCount, MADV_WILLNEED)
        super.init(bytes: UnsafeRawBufferPointer(start: address, count: file.byteCount))
    }

    deinit {
        munmap(UnsafeMutableRawPointer(mutating: bytes.baseAddress), bytes.count)
    }
}

/// Bytes in memory of our own, aligned to a cache line, filled once.
final class CopiedBytes: TensorStorage, @unchecked Sendable {
    private static let cacheLine = 64
    private static let hugePage = 2 << 20

    /// Bytes that `fill` writes before anybody else sees them.
    convenience init(count: Int, fill: (UnsafeMutableRawBufferPointer) -> Void) {
        let memory = Self.allocate(count)
        fill(UnsafeMutableRawBufferPointer(rebasing: memory[0..<count]))
        self.init(filled: memory, count: count)
    }

    private init(filled memory: UnsafeMutableRawBufferPointer, count: Int) {
        super.init(bytes: UnsafeRawBufferPointer(rebasing: memory[0..<count]))
    }

    private static func allocate(_ count: Int) -> UnsafeMutableRawBufferPointer {
        let isLarge = count >= 4 * hugePage
        let memory = UnsafeMutableRawBufferPointer.allocate(
            byteCount: max(count, 1), alignment: isLarge ? hugePage : cacheLine)
        // Advice only: a thousandth of the page faults while a large copy is filled.
        if isLarge { _ = madvise(memory.baseAddress, count, MADV_HUGEPAGE) }
        return memory
    }

    /// A copy of a whole file, of at most `limit` bytes.
    convenience init(_ file: borrowing OpenedFile, limit: Int) throws(ModelLoadingError) {
        guard file.byteCount <= limit else {
            throw ModelLoadingError(
                .tooLarge, "\(file.byteCount) bytes is over the limit of \(limit)",
                path: file.path)
        }
        try self.init(file, at: 0, count: file.byteCount)
    }

    /// A copy of a part of a file.
    convenience init(
        _ file: borrowing OpenedFile, at offset: Int, count: Int
    ) throws(ModelLoadingError) {
        let memory = Self.allocate(count)
        do {
            try file.read(
                at: offset, into: UnsafeMutableRawBufferPointer(rebasing: memory[0..<count]))
        } catch {
            memory.deallocate()
            throw error
        }
        self.init(filled: memory, count: count)
    }

    deinit {
        bytes.deallocate()
    }
}
