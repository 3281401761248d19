// SPDX-License-Identifier: Apache-2.0

/// Byte-pair encoding (Sennrich et al. 2016) as the `BPE` model of `tokenizers` does it.
struct BytePairModel: Sendable {
    var vocabulary: TokenTable
    var merges: MergeTable
    /// A piece that is a token as a whole is not merged from its characters.
    var ignoreMerges = false
    /// An unknown character becomes the tokens `<0xNN>` of its bytes.
    var byteFallback = false
    /// Neighbouring unknown characters share one unknown token.
    var fuseUnknown = false
    var unknown: Int32?
    var continuingPrefix: [UInt8] = []
    var endSuffix: [UInt8] = []
    /// Tokens `<0x00>` … `<0xFF>`, or -1.
    private let byteTokens: [Int32]
    /// Tokens of the scalars below U+0800, or -1.
    private let shortScalars: [Int32]

    init(vocabulary: TokenTable, merges: MergeTable) {
        self.vocabulary = vocabulary
        self.merges = merges
        byteTokens = (0..<256).map { byte in
            let digits = String(byte, radix: 16, uppercase: true)
            return vocabulary.id(of: Array("<0x\(byte < 16 ? "0" : "")\(digits)>".utf8)) ?? -1
        }
        shortScalars = (UInt32(0)..<0x800).map { value in
            var bytes: [UInt8] = []
            if let scalar = Unicode.Scalar(value) { UTF8Text.append(scalar, to: &bytes) }
            return vocabulary.id(of: bytes) ?? -1
        }
    }

    /// Working memory that one encoding reuses from piece to piece.
    struct Workspace {
        fileprivate struct Symbol {
            var id: Int32
            var previous: Int32
            var next: Int32
        }

        fileprivate static let gone: Int32 = -2
        fileprivate var symbols: [Symbol] = []
        fileprivate var queue = MergeQueue()
        fileprivate var affixed: [UInt8] = []

        fileprivate mutating func append(_ id: Int32) {
            let position = Int32(truncatingIfNeeded: symbols.count)
            symbols.append(Symbol(id: id, previous: position - 1, next: position + 1))
        }
    }

    /// Appends the tokens of one non-empty piece of valid UTF-8, shorter than 2 GiB.
    func encode(
        _ piece: UnsafeBufferPointer<UInt8>, into ids: inout [Int32],
        workspace: inout Workspace
    ) {
        if ignoreMerges, let id = vocabulary.id(of: piece) {
            ids.append(id)
            return
        }
        workspace.symbols.removeAll(keepingCapacity: true)
        split(piece, &workspace)
        merge(&workspace)
        for symbol in workspace.symbols where symbol.next != Workspace.gone {
            ids.append(symbol.id)
        }
    }

    // MARK: - First symbols

    private func split(_ piece: UnsafeBufferPointer<UInt8>, _ workspace: inout Workspace) {
        var pendingUnknown: Int32?
        var index = 0
        while index < piece.count {
            let (value, length) = UTF8Text.scalar(at: index, of: piece)
            let scalar = index..<index + length
            index += length
            if let id = symbol(value, piece, scalar, &workspace.affixed) {
                if let pending = pendingUnknown { workspace.append(pending) }
                pendingUnknown = nil
                workspace.append(id)
            } else if byteFallback, let bytes = fallback(piece, scalar, workspace.affixed) {
                // An unknown token that waits stays behind these, as in the reference.
                for id in bytes { workspace.append(id) }
            } else if let unknown {
                if let pending = pendingUnknown, !fuseUnknown { workspace.append(pending) }
                pendingUnknown = unknown
            }
        }
        if let pending = pendingUnknown { workspace.append(pending) }
        if !workspace.symbols.isEmpty { workspace.symbols[workspace.symbols.count - 1].next = -1 }
    }

    /// The token of one character with its affixes; leaves the affixed text in `affixed`.
    private func symbol(
        _ value: UInt32, _ piece: UnsafeBufferPointer<UInt8>, _ scalar: Range<Int>,
        _ affixed: inout [UInt8]
    ) -> Int32? {
        if continuingPrefix.isEmpty && endSuffix.isEmpty {
            if value < 0x800 {
                let id = shortScalars[Int(value)]
                return id < 0 ? nil : id
            }
            return vocabulary.id(of: UnsafeBufferPointer(rebasing: piece[scalar]))
        }
        affixed.removeAll(keepingCapacity: true)
        if scalar.lowerBound > 0 { affixed += continuingPrefix }
        affixed += piece[scalar]
        if scalar.upperBound == piece.count { affixed += endSuffix }
        return vocabulary.id(of: affixed)
    }

    private func fallback(
        _ piece: UnsafeBufferPointer<UInt8>, _ scalar: Range<Int>, _ affixed: [UInt8]
    ) -> [Int32]? {
        let hasAffixes = !(continuingPrefix.isEmpty && endSuffix.isEmpty)
        let bytes = hasAffixes ? affixed : Array(piece[scalar])
        let ids = bytes.map { byteTokens[Int($0)] }
        return ids.contains(-1) ? nil : ids
    }

    // MARK: - Merging

    /// Merges in order of rank with a heap and a linked list: O(n log n) in the piece.
    private func merge(_ workspace: inout Workspace) {
        workspace.queue.removeAll()
        for left in 0..<max(0, workspace.symbols.count - 1) { offer(left, &workspace) }
        while let candidate = workspace.queue.pop() {
            let left = candidate.position
            let next = workspace.symbols[left].next
            guard next >= 0 else { continue }
            let right = workspace.symbols[Int(next)]
            let current = merges.merge(workspace.symbols[left].id, right.id)
            guard let current, current.id == candidate.id else { continue }
            workspace.symbols[left].id = candidate.id
            workspace.symbols[left].next = right.next
            workspace.symbols[Int(next)].next = Workspace.gone
            if right.next >= 0 {
                workspace.symbols[Int(right.next)].previous = Int32(truncatingIfNeeded: left)
            }
            let previous = workspace.symbols[left].previous
            if previous >= 0 { offer(Int(previous), &workspace) }
            if right.next >= 0 { offer(left, &workspace) }
        }
    }

    private func offer(_ left: Int, _ workspace: inout Workspace) {
        let symbol = workspace.symbols[left]
        let right = workspace.symbols[Int(symbol.next)]
        guard let merge = merges.merge(symbol.id, right.id) else { return }
        workspace.queue.push(
            MergeQueue.Candidate(rank: merge.rank, position: left, id: merge.id))
    }
}
