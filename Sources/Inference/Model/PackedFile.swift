// SPDX-License-Identifier: Apache-2.0

import Glibc
internal import Synchronization

/// The file of one packed model.
///
/// A header of whole pages: the magic word, the version, the sizes of header and body, the model's
/// identity, and a checksum for each part of the body, with a checksum over all of that in front.
/// Then the body: the packed memory as it is. Everything but the checksums is known before the file
/// is opened, so the expected header is made and compared instead of parsed.
struct PackedFile {
    private static let magic: UInt64 = 0x4B50_5752_5242_3031  // "10BRRWPK"
    private static let version: UInt64 = 1
    private static let page = 4096
    /// Ends the name of a file that is being written.
    static let unfinished = ".burrow-packing"
    /// Small enough to be in a cache when its checksum is taken.
    private static let partBytes = 1 << 20

    let identity: String
    let bodyBytes: Int

    private var parts: Int { bodyBytes.dividedUp(by: Self.partBytes) }

    /// Of the fields before the checksums of the parts: the header's own checksum, magic, version,
    /// sizes, the identity with its length.
    private var checksumsStart: Int { (6 * 8 + identity.utf8.count).roundedUp(to: 8) }

    private var headerBytes: Int { (checksumsStart + parts * 8).roundedUp(to: Self.page) }

    var byteCount: Int { headerBytes + bodyBytes }

    /// The header as it must be, but for the checksums.
    private func blankHeader() -> [UInt8] {
        var header = [UInt8](repeating: 0, count: headerBytes)
        let fields = [
            Self.magic, Self.version, UInt64(headerBytes), UInt64(bodyBytes),
            UInt64(identity.utf8.count),
        ]
        header.withUnsafeMutableBytes { bytes in
            for (index, field) in fields.enumerated() {
                bytes.storeBytes(
                    of: field.littleEndian, toByteOffset: 8 + 8 * index, as: UInt64.self)
            }
            UnsafeMutableRawBufferPointer(rebasing: bytes[48...]).copyBytes(from: identity.utf8)
        }
        return header
    }

    // MARK: - Reading

    /// Reads the body into `memory`.
    ///
    /// - Returns: whether the file is this one, whole and undamaged; `memory` is written over in any
    ///   case.
    func read(_ path: String, into memory: AlignedMemory, with team: ThreadTeam) -> Bool {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var status = stat()
        // What somebody else could have put there is not used.
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
            status.st_uid == geteuid(), status.st_mode & 0o022 == 0,
            Int(exactly: status.st_size) == byteCount,
            let checksums = readHeader(descriptor)
        else { return false }
        let isDamaged = Atomic<Bool>(false)
        team.parallel(parts) { part, _ in
            let bytes = body(part, of: memory)
            if !transfer(
                bytes, at: headerBytes + part * Self.partBytes, { pread(descriptor, $0, $1, $2) })
                || Self.checksum(UnsafeRawBufferPointer(bytes)) != checksums[part]
            {
                isDamaged.store(true, ordering: .relaxed)
            }
        }
        return !isDamaged.load(ordering: .relaxed)
    }

    /// The checksums of the parts, if the header is the expected one.
    private func readHeader(_ descriptor: Int32) -> [UInt64]? {
        var header = [UInt8](repeating: 0, count: headerBytes)
        let isRead = header.withUnsafeMutableBytes {
            transfer($0, at: 0) { pread(descriptor, $0, $1, $2) }
        }
        guard isRead else { return nil }
        return header.withUnsafeBytes { bytes -> [UInt64]? in
            let sum = UInt64(littleEndian: bytes.load(as: UInt64.self))
            guard sum == Self.checksum(UnsafeRawBufferPointer(rebasing: bytes[8...])),
                bytes[8..<checksumsStart].elementsEqual(blankHeader()[8..<checksumsStart])
            else { return nil }
            return (0..<parts).map {
                UInt64(
                    littleEndian: bytes.load(
                        fromByteOffset: checksumsStart + 8 * $0, as: UInt64.self))
            }
        }
    }

    // MARK: - Writing

    /// Writes the file beside its place and then puts it there, so that nobody sees half of it.
    func write(_ path: String, _ memory: AlignedMemory) throws(InferenceError) {
        let temporary = "\(path).\(getpid())\(Self.unfinished)"
        unlink(temporary)
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Self.failure(temporary) }
        defer { close(descriptor) }
        guard write(to: descriptor, memory), rename(temporary, path) == 0 else {
            let error = Self.failure(path)
            unlink(temporary)
            throw error
        }
    }

    private static func failure(_ path: String) -> InferenceError {
        InferenceError(.notKept, "\(path): \(String(cString: strerror(errno)))")
    }

    private func write(to descriptor: Int32, _ memory: AlignedMemory) -> Bool {
        var header = blankHeader()
        return header.withUnsafeMutableBytes { bytes in
            for part in 0..<parts {
                let body = body(part, of: memory)
                bytes.storeBytes(
                    of: Self.checksum(UnsafeRawBufferPointer(body)).littleEndian,
                    toByteOffset: checksumsStart + 8 * part, as: UInt64.self)
                let place = headerBytes + part * Self.partBytes
                guard transfer(body, at: place, { pwrite(descriptor, $0, $1, $2) }) else {
                    return false
                }
            }
            let sum = Self.checksum(UnsafeRawBufferPointer(rebasing: bytes[8...]))
            bytes.storeBytes(of: sum.littleEndian, as: UInt64.self)
            return transfer(bytes, at: 0) { pwrite(descriptor, $0, $1, $2) }
        }
    }

    // MARK: - Inside

    private func body(_ part: Int, of memory: AlignedMemory) -> UnsafeMutableRawBufferPointer {
        let start = part * Self.partBytes
        return UnsafeMutableRawBufferPointer(
            start: memory.base + start, count: min(Self.partBytes, bodyBytes - start))
    }

    /// Calls `move` until all bytes have been read or written.
    private func transfer(
        _ bytes: UnsafeMutableRawBufferPointer, at offset: Int,
        _ move: (UnsafeMutableRawPointer, Int, off_t) -> Int
    ) -> Bool {
        var done = 0
        while done < bytes.count, let base = bytes.baseAddress {
            let count = move(base + done, bytes.count - done, off_t(offset + done))
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { return false }
            done += count
        }
        return true
    }

    /// Four chains of FNV-1a over words, joined; `bytes` is a multiple of 8. It tells damage, not
    /// forgery: who may write the user's cache may write the model.
    static func checksum(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        let prime: UInt64 = 0x100_0000_01B3
        var sums = SIMD4<UInt64>(repeating: 0xCBF2_9CE4_8422_2325)
        sums[1] &+= 1
        sums[2] &+= 2
        sums[3] &+= 3
        var offset = 0
        while offset + 32 <= bytes.count {
            sums =
                (sums ^ bytes.loadUnaligned(fromByteOffset: offset, as: SIMD4<UInt64>.self))
                &* prime
            offset += 32
        }
        while offset + 8 <= bytes.count {
            sums[0] =
                (sums[0] ^ bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)) &* prime
            offset += 8
        }
        return (0..<4).reduce(UInt64(bytes.count)) { ($0 ^ sums[$1]) &* prime ^ (sums[$1] >> 29) }
    }
}
