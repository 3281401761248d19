// SPDX-License-Identifier: Apache-2.0

/// What the loader needs of a shared library, read from its bytes without running any of it.
///
/// Layout as in the System V ABI (gABI 4.1, chapters 4 and 5), 64 bits, little-endian.
struct ELFImage {
    /// One entry of the section table.
    struct Section {
        let name: String
        let type: UInt32
        let offset: UInt64
        let size: UInt64
        /// The section that goes with this one, such as the strings of a symbol table.
        let link: UInt32

        /// Symbols, the dynamic section, and space without bytes (gABI, `sh_type`).
        static let dynamic: UInt32 = 6
        static let noBits: UInt32 = 8
        static let dynamicSymbols: UInt32 = 11
    }

    /// One entry of the dynamic symbol table.
    struct Symbol {
        let name: String
        let isDefined: Bool
        let isWeak: Bool
    }

    /// `e_machine` of the processor that this code was built for.
    static var hostMachine: UInt16 {
        #if arch(arm64)
            183
        #else
            62
        #endif
    }

    private static let dynamicLibraryType: UInt16 = 3
    private static let sectionEntrySize: UInt64 = 64
    private static let segmentEntrySize: UInt64 = 56
    private static let symbolEntrySize: UInt64 = 24
    private static let dynamicEntrySize: UInt64 = 16

    let path: String
    let file: ELFBytes
    private(set) var sections: [Section] = []

    /// Reads the tables.
    ///
    /// - Throws: `notELF`, `wrongArchitecture`, or `damaged`, with `path` as the subject.
    init(_ bytes: [UInt8], path: String) throws(PluginError) {
        self.path = path
        self.file = ELFBytes(bytes: bytes)
        try checkIdentity()
        try checkSegments()
        self.sections = try readSections()
    }

    /// The bytes of the first section with this name; `nil` where there is none.
    func contents(ofSection name: String) throws(PluginError) -> ArraySlice<UInt8>? {
        guard let section = sections.first(where: { $0.name == name }) else { return nil }
        return try contents(of: section)
    }

    /// The libraries that the dynamic linker must find first (`DT_NEEDED`).
    func neededLibraries() throws(PluginError) -> [String] { try dynamicStrings(tag: 1) }

    /// Where it wants them looked for, as written (`DT_RPATH` and `DT_RUNPATH`).
    func runPaths() throws(PluginError) -> [String] {
        let lists = try dynamicStrings(tag: 15) + dynamicStrings(tag: 29)
        return lists.flatMap { $0.split(separator: ":").map(String.init) }
    }

    /// The strings of the dynamic section's entries of one sort.
    private func dynamicStrings(tag wanted: UInt64) throws(PluginError) -> [String] {
        guard let section = sections.first(where: { $0.type == Section.dynamic }) else { return [] }
        let table = ELFBytes(bytes: Array(try contents(of: section)))
        let strings = try strings(of: section)
        var names: [String] = []
        var offset: UInt64 = 0
        while let tag = table.integer(UInt64.self, at: offset), tag != 0,
            let value = table.integer(UInt64.self, at: offset + 8)
        {
            if tag == wanted {
                guard let name = strings.string(at: value) else {
                    throw damaged("an entry of its dynamic section has no name")
                }
                names.append(name)
            }
            offset += Self.dynamicEntrySize
        }
        return names
    }

    /// The symbols that the library offers to others and wants of others.
    func dynamicSymbols() throws(PluginError) -> [Symbol] {
        guard let section = sections.first(where: { $0.type == Section.dynamicSymbols }) else {
            return []
        }
        let table = ELFBytes(bytes: Array(try contents(of: section)))
        let strings = try strings(of: section)
        var symbols: [Symbol] = []
        for entry in 0..<section.size / Self.symbolEntrySize {
            let offset = entry * Self.symbolEntrySize
            guard let name = table.integer(UInt32.self, at: offset),
                let binding = table.integer(UInt8.self, at: offset + 4),
                let sectionIndex = table.integer(UInt16.self, at: offset + 6),
                let text = strings.string(at: UInt64(name))
            else { throw damaged("symbol \(entry) has no name") }
            symbols.append(
                Symbol(name: text, isDefined: sectionIndex != 0, isWeak: binding >> 4 == 2))
        }
        return symbols
    }
}

// MARK: - The tables

extension ELFImage {
    private func checkIdentity() throws(PluginError) {
        guard let magic = file.slice(at: 0, length: 4),
            magic.elementsEqual([0x7f, 0x45, 0x4c, 0x46])
        else {
            throw PluginError(
                .notELF, path,
                "not an ELF file: name a library that `\(BuildCommand.text(for: path))` made")
        }
        guard let wordClass = file.integer(UInt8.self, at: 4),
            let order = file.integer(UInt8.self, at: 5),
            let type = file.integer(UInt16.self, at: 16),
            let machine = file.integer(UInt16.self, at: 18), file.bytes.count >= 64
        else { throw damaged("it ends within the header") }
        guard wordClass == 2, order == 1, machine == Self.hostMachine else {
            throw PluginError(
                .wrongArchitecture, path,
                "built for \(Self.name(ofMachine: machine, wordClass: wordClass)), this host runs "
                    + "on \(Self.name(ofMachine: Self.hostMachine, wordClass: 2)): rebuild it here "
                    + "with `\(BuildCommand.text(for: path))`")
        }
        guard type == Self.dynamicLibraryType else {
            throw PluginError(
                .notAPlugin, path,
                "an ELF file, but no shared library: make the product "
                    + "`.library(type: .dynamic)`, then `\(BuildCommand.text(for: path))`, and name "
                    + "its lib….so")
        }
    }

    private static func name(ofMachine machine: UInt16, wordClass: UInt8) -> String {
        let processor =
            switch machine {
            case 3: "x86"
            case 40: "arm"
            case 62: "x86_64"
            case 183: "aarch64"
            case 243: "riscv"
            default: "machine \(machine)"
            }
        return processor + (wordClass == 2 ? "" : " with 32 bits")
    }

    /// All bytes that the dynamic linker will map are there.
    private func checkSegments() throws(PluginError) {
        guard let start = file.integer(UInt64.self, at: 32),
            let size = file.integer(UInt16.self, at: 54),
            let count = file.integer(UInt16.self, at: 56)
        else { throw damaged("it ends within the header") }
        guard count == 0 || UInt64(size) == Self.segmentEntrySize else {
            throw damaged("its segment table has entries of \(size) bytes")
        }
        for index in 0..<UInt64(count) {
            let (entry, overflow) = start.addingReportingOverflow(index * Self.segmentEntrySize)
            guard !overflow, let bytes = file.slice(at: entry, length: Self.segmentEntrySize) else {
                throw damaged("its segment table is cut off")
            }
            let segment = ELFBytes(bytes: Array(bytes))
            guard let offset = segment.integer(UInt64.self, at: 8),
                let length = segment.integer(UInt64.self, at: 32),
                file.slice(at: offset, length: length) != nil
            else { throw damaged("segment \(index) is cut off") }
        }
    }

    private func readSections() throws(PluginError) -> [Section] {
        guard let start = file.integer(UInt64.self, at: 40),
            let size = file.integer(UInt16.self, at: 58),
            let count = file.integer(UInt16.self, at: 60),
            let namesIndex = file.integer(UInt16.self, at: 62)
        else { throw damaged("it ends within the header") }
        if count == 0 { return [] }
        guard UInt64(size) == Self.sectionEntrySize,
            let table = file.slice(at: start, length: UInt64(count) * Self.sectionEntrySize)
        else { throw damaged("its section table is cut off") }
        let entries = ELFBytes(bytes: Array(table))
        guard let names = Self.strings(ofSection: namesIndex, entries: entries, file: file) else {
            throw damaged("its section names are cut off")
        }
        var sections: [Section] = []
        for index in 0..<UInt64(count) {
            guard let section = Self.section(index, entries: entries, names: names) else {
                throw damaged("section \(index) has no name")
            }
            sections.append(section)
        }
        return sections
    }

    private static func strings(
        ofSection index: UInt16, entries: ELFBytes, file: ELFBytes
    ) -> ELFStrings? {
        let entry = UInt64(index) * sectionEntrySize
        guard let offset = entries.integer(UInt64.self, at: entry + 24),
            let size = entries.integer(UInt64.self, at: entry + 32),
            let bytes = file.slice(at: offset, length: size)
        else { return nil }
        return ELFStrings(bytes: bytes)
    }

    private static func section(
        _ index: UInt64, entries: ELFBytes, names: ELFStrings
    ) -> Section? {
        let entry = index * sectionEntrySize
        guard let name = entries.integer(UInt32.self, at: entry),
            let type = entries.integer(UInt32.self, at: entry + 4),
            let offset = entries.integer(UInt64.self, at: entry + 24),
            let size = entries.integer(UInt64.self, at: entry + 32),
            let link = entries.integer(UInt32.self, at: entry + 40),
            let text = names.string(at: UInt64(name))
        else { return nil }
        return Section(name: text, type: type, offset: offset, size: size, link: link)
    }

    private func contents(of section: Section) throws(PluginError) -> ArraySlice<UInt8> {
        guard section.type != Section.noBits else { return [] }
        guard let bytes = file.slice(at: section.offset, length: section.size) else {
            throw damaged("section '\(section.name)' is cut off")
        }
        return bytes
    }

    private func strings(of section: Section) throws(PluginError) -> ELFStrings {
        guard let index = Int(exactly: section.link), sections.indices.contains(index) else {
            throw damaged("section '\(section.name)' has no strings")
        }
        return ELFStrings(bytes: try contents(of: sections[index]))
    }

    func damaged(_ detail: String) -> PluginError {
        PluginError(
            .damaged, path,
            "truncated or damaged (\(detail)): build it again with "
                + "`\(BuildCommand.text(for: path))`, or copy it again, and wait until that is done"
        )
    }
}
