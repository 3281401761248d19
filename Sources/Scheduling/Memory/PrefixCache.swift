// SPDX-License-Identifier: Apache-2.0

internal import PolicyKit

/// Whose keys and values a prefix holds: the same tokens give others elsewhere.
struct PrefixOwner: Hashable, Sendable {
    /// A generation of an adapter, of a mixture, or the base.
    var adapter: AdapterID

    /// ``NewRequest/variant``.
    var variant: UInt64 = 0
}

/// The full KV pages that requests with the same beginning may share, as a trie over their tokens.
///
/// A node is a page with the tokens in it, below the page that comes before it; the first page of a
/// prefix is below its adapter's generation. Nodes are found by comparing tokens, so a page is only
/// ever taken for the very tokens that it holds (SGLang's radix cache, in whole pages). Requests
/// hold a node and all above it. A node that nobody holds stays until its page is needed; then the
/// one that was let go longest ago leaves, and always before the nodes above it.
struct PrefixCache: Sendable {
    /// Names a node while it is in the cache.
    typealias Node = Int32

    /// Where a prefix goes on: below a node, or at the beginning of an owner's prefixes.
    private struct Place: Hashable {
        var above: Node?
        var owner: PrefixOwner
        var tokens: ArraySlice<Int32>

        func hash(into hasher: inout Hasher) {
            hasher.combine(above)
            hasher.combine(owner)
            tokens.withUnsafeBytes { hasher.combine(bytes: $0) }
        }
    }

    private struct Entry: Sendable {
        var place: Place
        var page: Int32
        var holders = 1
        var children = 0
        /// Neighbours among the nodes that nobody holds.
        var older: Node?
        var newer: Node?
    }

    /// Counts the pages that were ever added: while it stays, no prefix goes on further than before.
    private(set) var additions = 0

    /// Nodes, and those of them that nobody holds.
    private(set) var count = 0
    private(set) var idleCount = 0

    private var entries: [Entry?] = []
    private var freeNodes: [Node] = []
    private var nodes: [Place: Node] = [:]
    private var oldest: Node?
    private var newest: Node?

    // MARK: - Facts

    func page(of node: Node) -> Int32 { entry(node).page }

    func above(_ node: Node) -> Node? { entry(node).place.above }

    func isIdle(_ node: Node) -> Bool { entry(node).holders == 0 }

    /// The node with these tokens below another of its owner, or in front of all.
    func node(below above: Node?, of owner: PrefixOwner, tokens: ArraySlice<Int32>) -> Node? {
        nodes[Place(above: above, owner: owner, tokens: tokens)]
    }

    // MARK: - Changes

    /// Adds a page with its tokens, which nobody has added yet; the caller holds it.
    mutating func add(
        _ page: Int32, tokens: ArraySlice<Int32>, below above: Node?, of owner: PrefixOwner
    ) -> Node {
        // A copy, so that the whole prompt does not stay in memory.
        let place = Place(above: above, owner: owner, tokens: ArraySlice(Array(tokens)))
        let entry = Entry(place: place, page: page)
        let node: Node
        if let free = freeNodes.popLast() {
            node = free
            entries[Int(node)] = entry
        } else {
            node = Node(entries.count)
            entries.append(entry)
        }
        nodes[place] = node
        if let above { entries[Int(above)]?.children += 1 }
        count += 1
        additions += 1
        return node
    }

    /// One more request holds the node; it must hold those above as well.
    mutating func hold(_ node: Node) {
        if entry(node).holders == 0 { unlink(node) }
        entries[Int(node)]?.holders += 1
    }

    /// A request lets go of a node and of all above it.
    mutating func letGo(from last: Node?) {
        var next = last
        while let node = next {
            next = entry(node).place.above
            entries[Int(node)]?.holders -= 1
            if entry(node).holders == 0 { link(node) }
        }
    }

    /// Takes out the node that has been idle longest, which has none below it.
    ///
    /// - Returns: its page, or `nil` where all nodes are held.
    mutating func evict() -> Int32? {
        guard let node = oldest else { return nil }
        let page = entry(node).page
        unlink(node)
        remove(node)
        return page
    }

    /// Takes out all nodes of an adapter that no request uses any more.
    ///
    /// - Returns: their pages.
    mutating func forget(_ adapter: AdapterID) -> [Int32] {
        var pages: [Int32] = []
        // Nodes below come before those above, as in eviction.
        var next = oldest
        while let node = next {
            next = entry(node).newer
            guard entry(node).place.owner.adapter == adapter else { continue }
            pages.append(entry(node).page)
            unlink(node)
            remove(node)
        }
        return pages
    }

    func isHeldOnce(_ node: Node, children: Int) -> Bool {
        entry(node).holders == 1 && entry(node).children == children
    }

    /// Takes out a node that one request holds and that nothing is below.
    mutating func drop(_ node: Node) {
        precondition(entry(node).holders == 1, "node \(node) is held by others")
        remove(node)
    }

    // MARK: - Inside

    private func entry(_ node: Node) -> Entry {
        guard let entry = entries[Int(node)] else {
            preconditionFailure("node \(node) is not in the prefix cache")
        }
        return entry
    }

    private mutating func remove(_ node: Node) {
        let entry = entry(node)
        precondition(entry.children == 0, "node \(node) has \(entry.children) nodes below it")
        nodes[entry.place] = nil
        if let above = entry.place.above { entries[Int(above)]?.children -= 1 }
        entries[Int(node)] = nil
        freeNodes.append(node)
        count -= 1
    }

    /// Puts a node that nobody holds any more behind all that were let go before.
    private mutating func link(_ node: Node) {
        entries[Int(node)]?.older = newest
        if let newest { entries[Int(newest)]?.newer = node } else { oldest = node }
        newest = node
        idleCount += 1
    }

    private mutating func unlink(_ node: Node) {
        let (older, newer) = (entry(node).older, entry(node).newer)
        if let older { entries[Int(older)]?.newer = newer } else { oldest = newer }
        if let newer { entries[Int(newer)]?.older = older } else { newest = older }
        entries[Int(node)]?.older = nil
        entries[Int(node)]?.newer = nil
        idleCount -= 1
    }
}

extension PrefixCache {
    /// Every page in the cache.
    var pages: [Int32] { entries.compactMap { $0?.page } }

    /// What does not add up, with the numbers, where requests hold the nodes `held` says, each as
    /// often as they do; empty when all is well. Linear in the nodes.
    func inconsistencies(held: [Node: Int]) -> [String] {
        var problems: [String] = []
        var children: [Node: Int] = [:]
        for case let (index, entry?) in entries.enumerated() {
            let node = Node(index)
            if let above = entry.place.above { children[above, default: 0] += 1 }
            if entry.holders != held[node, default: 0] {
                problems.append(
                    "\(held[node, default: 0]) requests hold node \(node), \(entry.holders) are "
                        + "counted")
            }
            if nodes[entry.place] != node { problems.append("node \(node) cannot be found") }
            if let above = entry.place.above,
                entries[Int(above)]?.place.owner != entry.place.owner
            {
                problems.append("node \(node) is below one of another owner, or of none")
            }
        }
        for case let (index, entry?) in entries.enumerated()
        where entry.children != children[Node(index), default: 0] {
            problems.append(
                "node \(index) has \(children[Node(index), default: 0]) below it, "
                    + "\(entry.children) are counted")
        }
        return problems + orderInconsistencies()
    }

    private func orderInconsistencies() -> [String] {
        var problems: [String] = []
        var left: Set<Node> = []
        var next = oldest
        while let node = next, left.count <= entries.count {
            let entry = entry(node)
            if entry.holders > 0 { problems.append("node \(node) is held and may leave") }
            if let above = entry.place.above, left.contains(above) {
                problems.append("node \(above) would leave before \(node) below it")
            }
            left.insert(node)
            next = entry.newer
        }
        let idle = entries.count { $0?.holders == 0 }
        if idle != left.count || idle != idleCount {
            problems.append(
                "nobody holds \(idle) nodes, \(left.count) may leave, \(idleCount) are counted")
        }
        if nodes.count != count || entries.count - freeNodes.count != count {
            problems.append(
                "\(nodes.count) nodes can be found, \(entries.count - freeNodes.count) are there, "
                    + "\(count) are counted")
        }
        return problems
    }
}
