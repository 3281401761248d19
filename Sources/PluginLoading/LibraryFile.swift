// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Reading libraries, and keeping private copies of them.
///
/// A library is loaded from a copy because the linker that rebuilds it writes over the mapped file,
/// and because the dynamic linker answers with the old library to a path that it knows. The copy is
/// named by its content, so the same build is kept, and loaded, once. The name is only a hint: an
/// existing copy is compared byte for byte, and where it differs another name is taken. So the hash
/// needs no cryptography, and a copy that a crash cut short is never loaded.
enum LibraryFile {
    /// No plugin is larger; reading stops there.
    static let mostBytes = 256 << 20

    /// The whole file.
    ///
    /// - Throws: `unreadable`.
    static func read(_ path: String) throws(PluginError) -> [UInt8] {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw unreadable(path) }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0 else { throw unreadable(path) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw PluginError(.unreadable, path, "not a file: name a shared library")
        }
        guard let size = Int(exactly: status.st_size), size <= mostBytes else {
            throw PluginError(
                .unreadable, path, "larger than \(mostBytes >> 20) MiB: no plugin is that large")
        }
        return try readBytes(of: file, size: size, path: path)
    }

    /// The path of a private copy of `bytes`, whose name begins with `stem`; made if need be.
    ///
    /// - Throws: `stateFolder`.
    static func keep(
        _ bytes: [UInt8], named stem: String, in folder: String
    ) throws(PluginError) -> String {
        try make(folder)
        guard let resolved = realpath(folder, nil) else { throw unwritable(folder) }
        defer { free(resolved) }
        let place = "\(String(cString: resolved))/\(stem)-\(contentName(bytes))"
        for number in 0..<100 {
            let path = number == 0 ? "\(place).so" : "\(place)-\(number).so"
            if access(path, F_OK) != 0 {
                try write(bytes, to: path)
                return path
            }
            if let kept = try? read(path), kept == bytes { return path }
        }
        throw PluginError(
            .stateFolder, folder, "it holds 100 damaged copies of '\(stem)': empty it")
    }

    /// Makes a folder and those above it, for this user alone.
    private static func make(_ folder: String) throws(PluginError) {
        var path = folder.hasPrefix("/") ? "" : "."
        for part in folder.split(separator: "/") {
            path += "/\(part)"
            guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw unwritable(folder) }
        }
    }

    /// FNV-1a of 64 bits (draft-eastlake-fnv), and the length.
    private static func contentName(_ bytes: [UInt8]) -> String {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in bytes {
            hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3
        }
        return String(hash, radix: 16) + "-" + String(bytes.count, radix: 16)
    }

    /// Writes under a temporary name and renames, so that a copy is there whole or not at all.
    private static func write(_ bytes: [UInt8], to path: String) throws(PluginError) {
        let temporary = "\(path).\(getpid()).new"
        unlink(temporary)
        let file = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o500)
        guard file >= 0 else { throw unwritable(temporary) }
        let isWritten = writeBytes(bytes, to: file) && fsync(file) == 0
        guard close(file) == 0, isWritten, rename(temporary, path) == 0 else {
            let error = unwritable(path)
            unlink(temporary)
            throw error
        }
    }

    private static func readBytes(
        of file: CInt, size: Int, path: String
    ) throws(PluginError) -> [UInt8] {
        var failed = false
        let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            while count < size {
                let got = Glibc.read(file, buffer.baseAddress! + count, size - count)
                if got < 0, errno == EINTR { continue }
                failed = got < 0
                if got <= 0 { return }
                count += got
            }
        }
        if failed { throw unreadable(path) }
        return bytes
    }

    private static func writeBytes(_ bytes: [UInt8], to file: CInt) -> Bool {
        bytes.withUnsafeBytes { buffer in
            var done = 0
            while done < buffer.count {
                let put = Glibc.write(file, buffer.baseAddress! + done, buffer.count - done)
                if put < 0, errno == EINTR { continue }
                if put <= 0 { return false }
                done += put
            }
            return true
        }
    }

    private static func unreadable(_ path: String) -> PluginError {
        PluginError(.unreadable, path, "cannot be read: \(lastError())")
    }

    private static func unwritable(_ path: String) -> PluginError {
        PluginError(
            .stateFolder, path,
            "cannot be written: \(lastError()); plugins are copied there before they are loaded")
    }

    private static func lastError() -> String { String(cString: strerror(errno)) }
}
