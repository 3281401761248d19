// SPDX-License-Identifier: Apache-2.0

import PolicyKit

/// What a policy's process can be asked or told.
enum QuestionKind: UInt8, CaseIterable {
    case make = 1
    case exportState
    case importState
    case plan = 16
    case observeStep
    case arrange = 32
    case settle
    case choose = 48
    case place
    case isDue = 64
    case propose
    case solve
    case observeMigration
    case evict = 80

    /// Whether nobody waits for an answer.
    var isNotice: Bool {
        switch self {
        case .observeStep, .settle, .observeMigration: true
        default: false
        }
    }
}

/// A frame to a policy's process: its kind, whether state is wanted back, and what belongs to it.
struct Question {
    let kind: QuestionKind
    var frame: FrameWriter

    init(_ kind: QuestionKind, capacity: Int = 256) {
        self.kind = kind
        frame = FrameWriter(capacity: capacity)
        frame.put(kind.rawValue)
        frame.put(false)
    }

    mutating func askForState() { frame.set(1, at: 1) }
}

/// What one end of a channel says first: who it is made for, and what it shall be.
struct PolicyRecipe: FrameValue, Equatable, Sendable {
    /// The private copy of the library.
    var library: String
    var type: String
    var parameters: [String: ParameterValue]
    var seed: UInt64

    /// Bytes of address space that it may take for itself.
    var memory: UInt64

    init(library: String, type: String, memory: UInt64) {
        self.library = library
        self.type = type
        self.memory = memory
        parameters = [:]
        seed = 0
    }

    func write(to frame: inout FrameWriter) {
        frame.put(policyKitInterface)
        frame.put(FrameHeader.version)
        frame.put(library)
        frame.put(type)
        frame.put(memory)
        frame.put(seed)
        frame.put(UInt32(clamping: parameters.count))
        for (name, value) in parameters.sorted(by: { $0.key < $1.key }) {
            frame.put(name)
            frame.put(value)
        }
    }

    init(from frame: inout FrameReader) throws(PolicyError) {
        let interface = try frame.integer(UInt32.self)
        let version = try frame.integer(UInt32.self)
        guard interface == policyKitInterface, version == FrameHeader.version else {
            throw PolicyError(
                "the host has PolicyKit interface \(interface) and frames \(version), its policy "
                    + "process \(policyKitInterface) and \(FrameHeader.version): start the host "
                    + "anew, since its program was replaced")
        }
        self.init(
            library: try frame.value(), type: try frame.value(), memory: try frame.integer())
        seed = try frame.integer()
        for _ in 0..<(try frame.count()) {
            let name: String = try frame.value()
            parameters[name] = try frame.value(ParameterValue.self)
        }
    }
}

/// What comes back: an answer or why there is none, the processor time that the policy used, and
/// perhaps its state.
struct Answer<Value: FrameValue> {
    var result: Result<Value, PolicyError>
    var used: Int64
    var state: PolicyState?

    init(_ bytes: [UInt8]) throws(PolicyError) {
        var frame = FrameReader(bytes)
        if try frame.value(Bool.self) {
            result = .success(try frame.value())
        } else {
            result = .failure(PolicyError(try frame.value()))
        }
        used = try frame.integer()
        state = try frame.value()
        try frame.end()
    }
}

/// Nothing, as an answer.
struct Acknowledgement: FrameValue {
    func write(to frame: inout FrameWriter) {}
    init(from frame: inout FrameReader) throws(PolicyError) {}
    init() {}
}
