// SPDX-License-Identifier: Apache-2.0

/// The members of a JSON object in the order they were written, each name once.
///
/// Names are told apart by their bytes, as JSON has it and `String` not.
package struct JSONObject: Sendable, Equatable {
    /// One name with its value.
    package struct Member: Sendable, Equatable {
        package let name: String
        package let value: JSONValue

        package init(name: String, value: JSONValue) {
            self.name = name
            self.value = value
        }
    }

    package private(set) var members: [Member] = []
    /// Empty until the object is too long to scan.
    private var index = NameIndex()

    package init() {}

    package var count: Int { members.count }

    /// The value of `name`, compared byte by byte.
    package subscript(name: String) -> JSONValue? {
        position(of: name).map { members[$0].value }
    }

    /// Appends a member and answers true, or answers false when the name is there already.
    package mutating func append(_ name: String, _ value: JSONValue) -> Bool {
        guard position(of: name) == nil else { return false }
        members.append(Member(name: name, value: value))
        if members.count > Self.scanned { _ = index.extend(to: members) }
        return true
    }

    /// Takes members as they come; answers the first that repeats a name, if one does.
    mutating func fill(with members: [Member]) -> Int? {
        self.members = members
        guard members.count > Self.scanned else {
            return members.indices.dropFirst().first { place in
                members[..<place].contains { $0.name.hasBytes(of: members[place].name) }
            }
        }
        return index.extend(to: members)
    }

    package static func == (left: JSONObject, right: JSONObject) -> Bool {
        left.members == right.members
    }

    private static let scanned = 12

    private func position(of name: String) -> Int? {
        guard index.isEmpty else { return index.position(of: name, among: members) }
        return members.firstIndex { $0.name.hasBytes(of: name) }
    }
}

/// Where each name stands in a list of members: open addressing, eight bytes a slot.
///
/// The hash is seeded by the process, so that a document cannot be made to collide.
private struct NameIndex: Sendable {
    /// The upper 24 bits of a name's hash over its position + 1 in 40 bits; 0 is free.
    private var slots: [UInt64] = []
    private var count = 0

    var isEmpty: Bool { count == 0 }

    func position(of name: String, among members: [JSONObject.Member]) -> Int? {
        let slot = slots[place(of: name, Self.hash(name), among: members)]
        return slot == 0 ? nil : Self.position(slot)
    }

    /// Notes the members behind those noted; stops at a name that is there already.
    mutating func extend(to members: [JSONObject.Member]) -> Int? {
        if 4 * members.count > 3 * slots.count {
            var size = 64
            while 3 * size < 4 * members.count { size *= 2 }
            slots = [UInt64](repeating: 0, count: size)
            count = 0
        }
        while count < members.count {
            let name = members[count].name
            let hash = Self.hash(name)
            let place = place(of: name, hash, among: members)
            guard slots[place] == 0 else { return count }
            slots[place] = hash & Self.tag | UInt64(count + 1)
            count += 1
        }
        return nil
    }

    private static let tag: UInt64 = 0xFFFF_FF00_0000_0000

    private static func position(_ slot: UInt64) -> Int { Int(slot & ~tag) - 1 }

    private static func hash(_ name: String) -> UInt64 {
        var name = name
        var hasher = Hasher()
        name.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
        return UInt64(bitPattern: Int64(hasher.finalize()))
    }

    /// The slot that holds `name`, or else the free one where it belongs.
    private func place(
        of name: String, _ hash: UInt64, among members: [JSONObject.Member]
    ) -> Int {
        let mask = slots.count - 1
        var place = Int(truncatingIfNeeded: hash) & mask
        while slots[place] != 0 {
            let slot = slots[place]
            if slot & Self.tag == hash & Self.tag,
                members[Self.position(slot)].name.hasBytes(of: name)
            {
                break
            }
            place = (place + 1) & mask
        }
        return place
    }
}

extension String {
    /// Whether both texts are the same bytes, which `==` does not tell.
    fileprivate func hasBytes(of other: String) -> Bool {
        utf8.count == other.utf8.count && utf8.elementsEqual(other.utf8)
    }
}
