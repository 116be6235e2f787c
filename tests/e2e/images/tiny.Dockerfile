FROM scratch
COPY bin /bin
ENV PATH=/bin
WORKDIR /tmp
CMD ["tail", "-f", "/dev/null"]
