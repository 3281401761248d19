// SPDX-License-Identifier: Apache-2.0

import Glibc
internal import ModelLoading

/// A folder of packed models, so that a second start need not convert and pack again.
///
/// What it holds is never trusted: a file is used only if it is the user's own, names the very files
/// that the model was opened from, unchanged since, and every part of it has its checksum. Offsets
/// are computed, not read. Whatever is wrong with a file, the model is packed and the file replaced.
package struct PackedModelCache: Sendable {
    /// What became of one start.
    package enum Outcome: Sendable, Equatable {
        /// There was no cache, or the model has no files.
        case unused
        /// The packed model was read.
        case read
        /// It was packed; ``PackedModel/keep()`` writes it for the next start.
        case packed
    }

    /// Absolute; made when there is something to write.
    package let directory: String
    /// The most bytes that its files may take; the oldest leave first.
    package let limitBytes: Int

    package init(directory: String, limitBytes: Int) {
        self.directory = directory
        self.limitBytes = limitBytes
    }

    static let suffix = ".burrow-packed"
    /// After which nobody is still writing a file.
    private static let abandonedSeconds = 3600

    func path(of identity: String) -> String {
        // FNV-1a; the file holds the whole text, so two of the same name do harm to nothing but time.
        let hash = identity.utf8.reduce(0xCBF2_9CE4_8422_2325 as UInt64) {
            ($0 ^ UInt64($1)) &* 0x100_0000_01B3
        }
        return "\(directory)/\(String(hash, radix: 16))\(Self.suffix)"
    }

    /// Fills `memory` with what an earlier start has packed.
    ///
    /// - Returns: whether it did; if not, some of it may be written over.
    func read(_ identity: String, into memory: AlignedMemory, with team: ThreadTeam) -> Bool {
        PackedFile(identity: identity, bodyBytes: memory.byteCount)
            .read(path(of: identity), into: memory, with: team)
    }

    /// Writes a packed model for the next start.
    func write(_ identity: String, _ memory: AlignedMemory) throws(InferenceError) {
        let file = PackedFile(identity: identity, bodyBytes: memory.byteCount)
        guard file.byteCount <= limitBytes else {
            throw InferenceError(
                .notKept,
                "it takes \(file.byteCount) bytes and the cache has \(limitBytes): raise its limit")
        }
        if mkdir(directory, 0o700) != 0, errno != EEXIST {
            throw InferenceError(
                .notKept, "\(directory): \(String(cString: strerror(errno)))")
        }
        makeRoom(for: file.byteCount, besides: path(of: identity))
        try file.write(path(of: identity), memory)
    }

    /// Removes the files that were written first, until there is room for `bytes` more.
    private func makeRoom(for bytes: Int, besides replaced: String) {
        guard let folder = opendir(directory) else { return }
        defer { closedir(folder) }
        var files: [(path: String, bytes: Int, written: Int)] = []
        while let entry = readdir(folder) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            let path = "\(directory)/\(name)"
            var status = stat()
            if name.hasSuffix(PackedFile.unfinished), lstat(path, &status) == 0,
                status.st_mtim.tv_sec < time(nil) - Self.abandonedSeconds
            {
                unlink(path)
            }
            guard name.hasSuffix(Self.suffix), path != replaced, lstat(path, &status) == 0,
                status.st_mode & S_IFMT == S_IFREG
            else { continue }
            files.append((path, Int(status.st_size), status.st_mtim.tv_sec))
        }
        var total = files.reduce(bytes) { $0 + $1.bytes }
        for file in files.sorted(by: { $0.written < $1.written }) where total > limitBytes {
            if unlink(file.path) == 0 { total -= file.bytes }
        }
    }
}

extension PackedModelCache {
    /// Everything that decides what the packed bytes are; nil where the model has no files.
    static func identity(of weights: ModelWeights, type: WeightType) -> String? {
        guard !weights.files.isEmpty else { return nil }
        let model = weights.configuration
        let shape = [
            model.hiddenSize, model.intermediateSize, model.layerCount, model.headCount,
            model.kvHeadCount, model.headSize, model.vocabularySize, model.tiedEmbeddings ? 1 : 0,
        ]
        let lines = weights.files.map {
            "\($0.byteCount) \($0.changedSeconds).\($0.changedNanoseconds) \($0.path)"
        }
        return "\(type.rawValue) \(shape) layout \(PackedModel.layoutVersion)\n"
            + lines.joined(separator: "\n")
    }
}
