// SPDX-License-Identifier: Apache-2.0

import Glibc

/// A regular file that is open for reading, with its size at that time.
struct OpenedFile: ~Copyable {
    let path: String
    let byteCount: Int
    fileprivate let descriptor: Int32

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
    }

    deinit {
        close(descriptor)
    }

    static func describe(_ code: Int32) -> String { String(cString: strerror(code)) }
}

/// A whole file mapped read-only.
///
/// A file that another program cuts short while it is mapped raises SIGBUS at the next touch.
/// That is accepted for base weights alone: they are far too large to copy, their path comes from
/// the trusted manifest, and every program that maps weights shares the rule that a model is
/// replaced by renaming, never rewritten in place. Adapters, which come and go while the server
/// runs, are copied (`CopiedBytes`).
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
    init<E: Error>(
        count: Int, fill: (UnsafeMutableRawBufferPointer) throws(E) -> Void
    ) throws(E) {
        let isLarge = count >= 4 * Self.hugePage
        let memory = UnsafeMutableRawBufferPointer.allocate(
            byteCount: max(count, 1), alignment: isLarge ? Self.hugePage : Self.cacheLine)
        // Advice only: a thousandth of the page faults while a large copy is filled.
        if isLarge { _ = madvise(memory.baseAddress, count, MADV_HUGEPAGE) }
        do {
            try fill(UnsafeMutableRawBufferPointer(rebasing: memory[0..<count]))
        } catch {
            memory.deallocate()
            throw error
        }
        super.init(bytes: UnsafeRawBufferPointer(rebasing: memory[0..<count]))
    }

    /// A copy of a whole file, of at most `limit` bytes.
    convenience init(_ file: borrowing OpenedFile, limit: Int) throws(ModelLoadingError) {
        guard file.byteCount <= limit else {
            throw ModelLoadingError(
                .tooLarge, "\(file.byteCount) bytes is over the limit of \(limit)",
                path: file.path)
        }
        let descriptor = file.descriptor
        let path = file.path
        try self.init(count: file.byteCount) { (memory) throws(ModelLoadingError) in
            var done = 0
            while done < memory.count {
                let target = memory.baseAddress.map { $0 + done }
                let count = read(descriptor, target, memory.count - done)
                if count < 0 && errno == EINTR { continue }
                guard count > 0 else {
                    let reason = count == 0 ? "was cut short" : OpenedFile.describe(errno)
                    throw ModelLoadingError(
                        .unreadable, "\(reason) while it was read", path: path)
                }
                done += count
            }
        }
    }

    deinit {
        bytes.deallocate()
    }
}
