/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <string.h>

#include "agent/device/s390.h"
#include "agent/device/vfio.h"
#include "text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size), again[PCI_ADDRESS_SIZE], words[DEVICE_TEXT_SIZE];
	struct pci_address address, same;
	struct device_want want;

	if (device_want_pci(DEVICE_BLOCK_PCI, text, &want, NULL) == 0) {
		assert(want.pci.n > 0 && want.pci.n <= PCI_PATH_MAX);
		assert(want.pci.root == 0 || want.pci.root >= 0x20);
		for (size_t i = 0; i < want.pci.n; i++)
			assert(want.pci.at[i].slot < 32 && want.pci.at[i].function < 8);
		device_want_format(&want, words);
	}
	if (device_want_scsi(text, &want, NULL) == 0)
		device_want_format(&want, words);
	if (device_want_named(text, &want, NULL) == 0)
		assert(!strchr(want.name, '/') && want.name[0] != '.');
	if (vfio_parse_option(text, &address, &want, NULL) == 1)
		assert(want.kind == DEVICE_PCI && want.pci.n > 0);
	assert(!s390_is_ccw(text) || !s390_is_ap_queue(text));
	if (pci_address_parse(text, &address) == 0) {
		pci_address_format(address, again);
		assert(strcasecmp(text, again) == 0);
		assert(pci_address_parse(again, &same) == 0);
		assert(memcmp(&address, &same, sizeof(same)) == 0);
	}
	free(text);
	return 0;
}
