// SPDX-License-Identifier: Apache-2.0

/// A list of plain values that is made anew for each loop of a step, in memory that is kept.
///
/// Threads read it through pointers: an array would make them contend for its reference count.
final class StepList<Element: BitwiseCopyable> {
    private(set) var count = 0
    private var capacity = 0
    private var elements: UnsafeMutablePointer<Element>?

    deinit {
        elements?.deallocate()
    }

    func removeAll() { count = 0 }

    func append(_ element: Element) {
        if count == capacity { grow() }
        elements?[count] = element
        count += 1
    }

    /// Valid until the next `append`.
    var buffer: UnsafeBufferPointer<Element> {
        UnsafeBufferPointer(start: elements, count: count)
    }

    private func grow() {
        let larger = max(16, 2 * capacity)
        let memory = UnsafeMutablePointer<Element>.allocate(capacity: larger)
        if let elements {
            memory.update(from: elements, count: count)
            elements.deallocate()
        }
        elements = memory
        capacity = larger
    }
}
