// SPDX-License-Identifier: Apache-2.0

/// Memory for questions and answers that C reads and writes; it is kept from call to call.
final class CScratch<Element: BitwiseCopyable> {
    private var start: UnsafeMutablePointer<Element>
    private var capacity = 16

    init() { start = .allocate(capacity: capacity) }

    deinit { start.deallocate() }

    /// Room for so many elements, each `element`; valid until the next call.
    func filled(_ count: Int, with element: Element) -> UnsafeMutablePointer<Element> {
        let room = reserve(count)
        room.initialize(repeating: element, count: count)
        return room
    }

    /// A copy of a list; valid until the next call.
    func copy(of list: some Collection<Element>) -> UnsafeMutablePointer<Element> {
        let room = reserve(list.count)
        for (index, element) in list.enumerated() { (room + index).initialize(to: element) }
        return room
    }

    /// Room for so many elements; valid until the next call.
    func reserve(_ count: Int) -> UnsafeMutablePointer<Element> {
        if count > capacity {
            start.deallocate()
            capacity = count + count / 2
            start = .allocate(capacity: capacity)
        }
        return start
    }
}

extension CScratch<CChar> {
    static let textCapacity = 512

    /// Room for a text, which is empty.
    func text() -> UnsafeMutablePointer<CChar> { filled(Self.textCapacity, with: 0) }

    /// The text that C has left in ``text()``, ended where it was not.
    static func text(in room: UnsafePointer<CChar>) -> String {
        let bytes = UnsafeBufferPointer(start: room, count: textCapacity)
        return String(
            decoding: bytes.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}

/// A text of a library that ends in NUL within a bound; empty for null.
func boundedText(_ text: UnsafePointer<CChar>?) -> String {
    guard let text else { return "" }
    var bytes: [UInt8] = []
    while bytes.count < 4096, text[bytes.count] != 0 {
        bytes.append(UInt8(bitPattern: text[bytes.count]))
    }
    return String(decoding: bytes, as: UTF8.self)
}
